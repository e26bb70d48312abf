import Base
import Kernels

/// The two forms differ in the patch embedding and in the parameters' names.
package enum ClassifierForm: String, CaseIterable, Codable, Sendable {
    /// The classifier as its authors publish it: a learned position table and, for CRATE and ToST, norms around the embedding.
    case supervised
    /// The encoder of a masked autoencoder: a product and the fixed position table.
    case autoencoder
}

/// An encoder, and a norm and a product applied to one vector per image.
package struct ClassifierConfiguration: Codable, Equatable, Sendable {
    /// Has no decoder.
    package let encoder: ModelConfiguration
    package let form: ClassifierForm
    package let pooling: Pooling
    package let classes: Int

    /// A classifier on the encoder of `model`; its decoder is dropped. Throws `Failure` like `validate`.
    package init(_ model: ModelConfiguration, form: ClassifierForm, pooling: Pooling, classes: Int) throws {
        encoder = try model.with(
            decoderDepth: 0, normalisesTargets: false, positionGrid: form == .supervised ? nil : model.trainedGrid)
        self.form = form
        self.pooling = pooling
        self.classes = classes
        try validate()
    }

    /// Throws `Failure` if the extents do not fit together or are out of range. Also for decoded values.
    package func validate() throws {
        try encoder.validate(decoderDepths: 0...0)
        guard (2...100_000).contains(classes) else {
            throw Failure("\(classes) classes are outside 2 to 100000", hint: "shard images of at least two classes")
        }
    }
}

/// Which tokens a classifier or a probe uses.
package enum Pooling: String, CaseIterable, Codable, Sendable {
    case classToken = "class"
    /// The mean over the patches.
    case mean

    /// Writes to `pooled` (D) the pooled `tokens` (T, D) of one image; the class token comes first.
    package func pool(_ z: UnsafePointer<Float>, tokens: Int, dim: Int, into pooled: UnsafeMutablePointer<Float>) {
        switch self {
        case .classToken: pooled.update(from: z, count: dim)
        case .mean:
            pooled.update(repeating: 0, count: dim)
            addColumnSums(
                z + dim, sign: 1 / Float(tokens - 1), rows: tokens - 1, columns: dim, stride: dim, to: pooled)
        }
    }
}
