import Foundation

extension TrainingConfiguration {
    /// Every setting as text, by the option that decides it.
    var fields: [String: String] {
        get throws {
            var fields: [String: String] = [:]
            func add(_ value: Any, _ name: String) {
                guard let object = value as? [String: Any] else { return fields[Self.option(name)] = "\(value)" }
                for (inner, value) in object { add(value, name.isEmpty ? inner : "\(name).\(inner)") }
            }
            add(try JSONSerialization.jsonObject(with: JSONEncoder().encode(self)), "")
            return fields
        }
    }

    /// Settings that a run may change on its way: how long it is, and how a batch is cut, which changes nothing but the
    /// rounding of sums.
    static let changeable: Set = ["--steps", "steps of warm-up", "--micro-batch", "--virtual-ranks"]

    /// Settings that are not called as their option is, and those that no option decides alone.
    private static let names = [
        "schedule.peak": "--lr", "schedule.totalSteps": "--steps", "schedule.warmupSteps": "steps of warm-up",
        "sampleCount": "samples of --data", "classification.form": "form of the classifier",
        "classification.labels.augmentation.operations": "--rand-augment",
        "classification.labels.classes": "classes of --data", "classification.labels.smoothing": "--label-smoothing",
        "model.decoderDepth": "--depth of the decoder", "model.normalisesTargets": "--norm-pix",
        "normalisation.mean": "mean of --normalise", "normalisation.deviation": "deviation of --normalise",
    ]

    /// `batchSize` is decided by --batch-size, `model.dim` by --dim.
    private static func option(_ key: String) -> String {
        names[key] ?? "--"
            + (key.split(separator: ".").last ?? "").map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
    }
}
