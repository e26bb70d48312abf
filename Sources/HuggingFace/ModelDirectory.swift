import Base
import Checkpoints
import Foundation

/// A model as a directory that Hugging Face's transformers load with `trust_remote_code`.
package struct ModelDirectory: ~Copyable {
    private let published: PublishedModel
    private let type: StoredType
    private let source: RunSource

    /// The model file `file`, for images of side `imageSize` (nil: as trained). Throws `Failure` as `PublishedModel` does.
    package init(file: String, imageSize: Int?, type: StoredType) throws {
        published = try PublishedModel(file: file, imageSize: imageSize)
        source = RunSource(modelFile: file, model: published.stored)
        self.type = type
    }
}

extension ModelDirectory {
    /// Writes `config.json`, `preprocessor_config.json`, `model.safetensors`, the model card `README.md` and the Python files to the
    /// directory `path`, which is new or empty. It gets its name when all of it is on the disk.
    ///
    /// Throws `Failure` if that fails; then nothing is left.
    package borrowing func write(to path: String) throws {
        // Only looks whether it is empty and may be written.
        try OutputDirectory(path).remove()
        let partial = DurableFile.newPartialPath(of: path.hasSuffix("/") ? String(path.dropLast()) : path)
        guard mkdir(partial, 0o777) == 0 else { throw systemFailure("cannot create \(partial)") }
        do {
            try writeFiles(to: partial)
            try DurableFile.replace(path, by: partial)
        } catch {
            try? FileManager.default.removeItem(atPath: partial)
            throw error
        }
    }

    private borrowing func writeFiles(to directory: String) throws {
        let name = "model.safetensors"
        try published.export(.transformers, to: directory.appending(name: name), type: type)
        let configuration = TransformersConfiguration(published.stored, classes: source.classes, type: type)
        let card = ModelCard(published.stored, source, origin: published.origin)
        let texts = [
            "config.json": try configuration.json,
            "preprocessor_config.json": try PreprocessorConfiguration(published.stored, source).json,
            "README.md": [UInt8](card.text.utf8),
        ]
        for (name, bytes) in texts.merging(pythonFiles, uniquingKeysWith: { $1 }) {
            try DurableFile.write(bytes, to: directory.appending(name: name))
        }
    }
}

/// The files of the Python package that the classes of transformers need, by name.
private let pythonFiles: [String: [UInt8]] = [
    "blocks.py": PackageResources.blocks_py,
    "building.py": PackageResources.building_py,
    "classifiers.py": PackageResources.classifiers_py,
    "configuration_crate.py": PackageResources.configuration_crate_py,
    "description.py": PackageResources.description_py,
    "image_processing_crate.py": PackageResources.image_processing_crate_py,
    "layers.py": PackageResources.layers_py,
    "modeling_crate.py": PackageResources.modeling_crate_py,
    "models.py": PackageResources.models_py,
    "preprocessing.py": PackageResources.preprocessing_py,
]
