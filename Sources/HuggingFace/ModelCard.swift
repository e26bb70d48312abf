import Base
import Checkpoints
import CrateModel

/// `README.md` of a model: what it is, how to load it, and what is known of its training.
struct ModelCard {
    private let stored: StoredModel
    private let source: RunSource
    private let origin: [String: String]

    init(_ stored: StoredModel, _ source: RunSource, origin: [String: String]) {
        (self.stored, self.source, self.origin) = (stored, source, origin)
    }

    var text: String {
        [header, summary, use, data, recipe, results, licence].joined(separator: "\n")
    }

    private var model: ModelConfiguration { stored.model.configuration }
    private var isClassifier: Bool { stored.model.classifier != nil }

    private var title: String {
        guard let classifier = stored.model.classifier else { return "\(model.architecture.title)-MAE" }
        return "\(model.architecture.title) classifier of \(classifier.classes) classes"
    }

    private var autoClass: String { isClassifier ? "AutoModelForImageClassification" : "AutoModel" }

    private var tags: [String] {
        let own = model.architecture == .crate ? [] : [model.architecture.rawValue]
        return ["crate"] + own + (isClassifier ? [] : ["masked-autoencoder"]) + ["custom_code"]
    }

    private var header: String {
        """
        ---
        library_name: transformers
        pipeline_tag: \(isClassifier ? "image-classification" : "image-feature-extraction")
        license: other
        license_name: to-be-filled-in
        tags: [\(tags.joined(separator: ", "))]
        ---

        # \(title)

        """
    }

    private var summary: String {
        let count = Double(stored.model.layout.parameterCount) / 1e6
        let (whole, hundredths) = Int((100 * count).rounded()).quotientAndRemainder(dividingBy: 100)
        let place = ["run", "step"].compactMap { key in origin[key].map { "\(key) \($0.plain)" } }
        return """
            \(whole).\(hundredths < 10 ? "0" : "")\(hundredths) M trained parameters: width \(model.dim), depth \(model.depth), \
            \(model.heads) heads, images of \(model.imageSize) x \(model.imageSize) pixels in patches of \(model.patchSize). \
            Trained with `crate`\(place.isEmpty ? "" : " (\(place.joined(separator: ", ")))").

            """
    }

    private var use: String {
        """
        ## Use

        The code of the model is in this directory, so `trust_remote_code` is needed. Images are resampled exactly as in training.

            from transformers import AutoImageProcessor, \(autoClass)
            processor = AutoImageProcessor.from_pretrained(PATH, trust_remote_code=True)
            model = \(autoClass).from_pretrained(PATH, trust_remote_code=True)
            outputs = model(**processor(image, return_tensors="pt"))

        `crate_checkpoint.load(PATH)` loads the same directory without transformers.

        """
    }

    private var data: String {
        let fields = [("training", "data"), ("validation", "validation")].compactMap { title, key in
            source.settings?.options[key].map { path in
                ("\(title) shards", path.split(separator: "/").last.map(String.init) ?? path)
            }
        }
        let samples = source.settings?.resolved["samples"].map { [("training samples", $0)] } ?? []
        return section("Data", fields + samples, otherwise: "To be filled in.")
    }

    private var recipe: String {
        let left = ["micro-batch", "samples", "dim", "depth", "heads", "image-size", "patch-size", "decoder-depth"]
        let fields = (source.settings?.resolved ?? [:]).filter { !left.contains($0.key) }.sorted { $0.key < $1.key }
        return section("Recipe", fields.map { ($0.key, $0.value) }, otherwise: "To be filled in.")
    }

    private var results: String {
        let shown = source.results.map { ($0.name, $0.note.isEmpty ? $0.value : "\($0.value) (\($0.note))") }
        return section("Results", shown, otherwise: "To be filled in.")
    }

    private var licence: String {
        """
        ## Licence

        To be filled in, here and as `license` above.

        """
    }

    private func section(_ title: String, _ rows: [(String, String)], otherwise: String) -> String {
        let table = rows.map { "| \($0.0.plain) | \($0.1.plain) |\n" }.joined()
        return "## \(title)\n\n\(rows.isEmpty ? "\(otherwise)\n" : "| | |\n|---|---|\n\(table)")"
    }
}

extension String {
    /// Text from a file as a cell of a table, without markup.
    fileprivate var plain: String {
        String(printable(limit: 300).map { "|`<>".contains($0) ? " " : $0 })
    }
}
