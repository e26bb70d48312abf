import Buffers
import CrateModel

// T tokens, L patches, D channels, V values a patch.

/// A part of the flat gradient buffer that is summed over the ranks as a whole.
public struct GradientBucket: Equatable, Sendable {
    /// Its values.
    public let count: Int
    /// When the last of its gradients is complete, in seconds from the start of the backward pass.
    public let ready: Double

    /// A bucket of `count` values.
    public init(count: Int, ready: Double) {
        self.count = count
        self.ready = ready
    }
}

/// Where the time of a pass goes, as far as products tell. Of an image:
///
///     a block      forward 6 T D^2 + 4 T^2 D   backward 12 T D^2 + 6 T^2 D
///     prediction   forward 2 L D V             backward 4 L D V
///     embedding    visible times 2 L D V, forward and again backward
///
/// These are the products that are computed; `ModelConfiguration.operationsPerImage` counts those of the plain formulas.
public struct PassShares: Sendable {
    private let backward: (block: Double, prediction: Double, embedding: Double)
    /// The backward pass as a share of both.
    public let backwardShare: Double

    /// The shares of a pass over images of `model`; `visible` is the fraction of the patches that is not hidden.
    public init(_ model: ModelConfiguration, visible: Double) {
        let (tokens, dim) = (Double(model.tokenCount), Double(model.dim))
        let blocks = Double(model.depth + model.decoderDepth)
        let (weights, scores) = (2 * tokens * dim * dim, tokens * tokens * dim)
        let values = 2 * Double(model.patchCount) * dim * Double(model.patchValueCount)
        let forwards = blocks * (3 * weights + 4 * scores) + values + visible * values
        let backwards = blocks * (6 * weights + 6 * scores) + 2 * values + visible * values
        let whole = forwards + backwards
        backward = ((6 * weights + 6 * scores) / whole, 2 * values / whole, visible * values / whole)
        backwardShare = backwards / whole
    }

    /// The flat gradients of `layout` in buckets of `bucketCount` values, what is left over at the end of the buffer; the last
    /// bucket first, as the backward pass completes them. A forward and a backward pass together take `passSeconds`.
    public func buckets(_ layout: ParameterLayout, bucketCount: Int, passSeconds: Double) -> [GradientBucket] {
        var buckets: [GradientBucket] = []
        var starts = Array(stride(from: 0, to: layout.bufferCount, by: bucketCount))
        var (end, ready, module) = (layout.bufferCount, 0.0, Substring())
        for parameter in layout.parameters.reversed() {
            let next = Self.module(of: parameter.name)
            if next != module { ready += share(of: next) * passSeconds }
            module = next
            while let start = starts.last, parameter.offset <= start {
                buckets.append(GradientBucket(count: end - start, ready: ready))
                end = start
                starts.removeLast()
            }
        }
        return buckets
    }

    private func share(of module: Substring) -> Double {
        if module.contains("blocks.") { return backward.block }
        switch module {
        case "decoder_pred": return backward.prediction
        case "patch_embed": return backward.embedding
        default: return 0
        }
    }

    /// What is completed as a whole: a block, or what else has a name.
    private static func module(of name: String) -> Substring {
        let parts = name.split(separator: ".")
        return parts.count > 1 && parts[0].hasSuffix("blocks")
            ? name.prefix(parts[0].count + 1 + parts[1].count) : parts[0]
    }
}
