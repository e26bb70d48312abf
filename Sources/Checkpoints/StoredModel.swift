import CrateModel
import Foundation
import Images

/// A model as it is stored: what a model file says of itself in its metadata.
package struct StoredModel: Sendable {
    package let model: Model
    /// The fraction of patches that was hidden in training; 0 for a classifier.
    package let maskRatio: Double
    /// What pixels were normalised with.
    package let normalisation: Normalisation

    package init(_ model: Model, maskRatio: Double, normalisation: Normalisation) {
        self.model = model
        self.maskRatio = maskRatio
        self.normalisation = normalisation
    }

    /// Where the metadata of a classifier says what it is; an autoencoder has `configurationKey`.
    static let classifierKey = "classifier"
    static let configurationKey = "config"

    /// The metadata of a model file.
    var metadata: [String: String] {
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
