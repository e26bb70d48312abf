import Kernels

/// N of a micro-batch, T, H and P of a model's two stages: the encoder, and the decoder or the head of a classifier.
struct StageShapes {
    var encoder: AttentionShape
    private(set) var decoder: AttentionShape

    /// `visible` patches of an image, nil for all, reach an encoder that omits the hidden ones.
    init(_ configuration: ModelConfiguration, images: Int, visible: Int?) {
        let omits = configuration.architecture.omitsHiddenPatches
        let patches = omits ? visible ?? configuration.patchCount : configuration.patchCount
        encoder = AttentionShape(
            images: images, tokens: patches + 1, heads: configuration.heads, headDim: configuration.headDim)
        let decoder = configuration.decoder
        self.decoder = AttentionShape(
            images: images, tokens: configuration.tokenCount, heads: decoder.heads,
            headDim: decoder.dim / decoder.heads)
    }

    /// The same for `images` images.
    func of(_ images: Int) -> StageShapes {
        var shapes = self
        (shapes.encoder.images, shapes.decoder.images) = (images, images)
        return shapes
    }
}

/// Stochastic depth: the factors on what each layer with a skip connection adds for each image, (N, branches).
package struct BranchDrops {
    let scales: UnsafePointer<Float>
    let branches: Int

    package init(scales: UnsafePointer<Float>, branches: Int) {
        (self.scales, self.branches) = (scales, branches)
    }

    func scale(image: Int, branch: Int) -> Float { scales[image * branches + branch] }
}
