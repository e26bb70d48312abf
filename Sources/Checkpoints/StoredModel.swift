import CrateModel
import Foundation
import Images

/// A model as described by the metadata of a model file.
package struct StoredModel: Sendable {
    package let model: Model
    /// The fraction of patches hidden in training; 0 for a classifier.
    package let maskRatio: Double
    package let normalisation: Normalisation

    package init(_ model: Model, maskRatio: Double, normalisation: Normalisation) {
        self.model = model
        self.maskRatio = maskRatio
        self.normalisation = normalisation
    }

    /// The metadata key of a classifier's configuration; an autoencoder has `configurationKey`.
    static let classifierKey = "classifier"
    static let configurationKey = "config"

    package var metadata: [String: String] {
        get throws {
            var fields = ["normalisation": try encoded(normalisation), "format": "pt"]
            if let classifier = model.classifier {
                fields[Self.classifierKey] = try encoded(classifier)
            } else {
                fields[Self.configurationKey] = try encoded(model.configuration)
                fields["mask_ratio"] = "\(maskRatio)"
            }
            return fields
        }
    }
}

func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
