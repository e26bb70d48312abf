import Base
import CrateModel
import Foundation
import Images

/// A model as described by the metadata of a model file.
package struct StoredModel: Sendable {
    package let model: Model
    /// The fraction of patches hidden in training; 0 for a classifier.
    package let maskRatio: Double
    package let normalisation: Normalisation
    /// The names of a classifier's classes in the order of its outputs; nil where nobody has stored them, as in published weights.
    package let classes: [String]?

    package init(_ model: Model, maskRatio: Double, normalisation: Normalisation, classes: [String]? = nil) {
        self.model = model
        self.maskRatio = maskRatio
        self.normalisation = normalisation
        self.classes = classes
    }

    /// The metadata key of a classifier's configuration; an autoencoder has `configurationKey`.
    static let classifierKey = "classifier"
    static let configurationKey = "config"
    static let classesKey = "classes"

    package var metadata: [String: String] {
        get throws {
            var fields = ["normalisation": try encoded(normalisation), "format": "pt"]
            if let classifier = model.classifier {
                fields[Self.classifierKey] = try encoded(classifier)
                fields[Self.classesKey] = try classes.map { try encoded($0) }
            } else {
                fields[Self.configurationKey] = try encoded(model.configuration)
                fields["mask_ratio"] = "\(maskRatio)"
            }
            return fields
        }
    }
}

extension Failure {
    /// The warning about a classifier in `file` whose classes have no names.
    package static func namelessClasses(of file: String) -> Failure {
        Failure(
            "\(file) does not name the classes that it tells apart, so they cannot be compared with those of the shards",
            hint: "make sure that labels mean the same in both")
    }
}

func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
