import Kernels

// T tokens per image, D channels, H heads, P = D / H.

/// Of an encoder block, whose first layer is the attention: h = z + attention(LN z).
extension Block {
    /// Computes the metrics of this thread's images after a forward pass; `record` receives each value.
    func measure(
        _ z: UnsafeMutablePointer<Float>, _ pass: Pass, scratch: UnsafeMutablePointer<Double>,
        record: (BlockMetric, _ image: Int, Double) -> Void
    ) {
        second.measure(first.output, pass, record: record)
        pass.forEachImage { image in
            let place = image.firstImage - pass.firstImage
            if let attention {
                let entropy = attentionEntropy(image.ownScores(attention), shape: image.shape)
                record(.attentionEntropy, place, entropy.all)
                record(.classAttentionEntropy, place, entropy.classToken)
            }
            guard let subspaces = first.subspaces else { return }
            let before = subspaces.projected
            record(
                .codingRate, place,
                codingRate(
                    ProjectedTokens(
                        values: image.own(before.values, width: before.stride), stride: before.stride),
                    image, scratch: scratch))
            // LN(h) with the parameters of the attention's norm; the statistics of h are those of the second norm.
            let normed = image.own(image.scratch.attentionInput)
            let rows = second.norm.rows(of: first.output, under: first.norm, image)
            layerNorm(rows, epsilon: first.norm.epsilon, into: normed)
            record(.codingRateAfter, place, codingRate(subspaces.project(normed, image), image, scratch: scratch))
        }
    }

    /// The sum over the heads of an image's tokens.
    private func codingRate(
        _ tokens: ProjectedTokens, _ image: Pass, scratch: UnsafeMutablePointer<Double>
    ) -> Double {
        let shape = image.shape
        return (0..<shape.heads).reduce(0) { sum, head in
            sum
                + Kernels.codingRate(
                    tokens.values + head * shape.headDim, stride: tokens.stride, tokens: shape.tokens,
                    headDim: shape.headDim, scratch: scratch)
        }
    }

    /// `scratch`: 2 D D floats.
    func measureWeights(
        _ parameters: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) -> WeightMetrics {
        var metrics = WeightMetrics()
        first.measureWeights(parameters, scratch: scratch, into: &metrics)
        second.measureWeights(parameters, scratch: scratch, into: &metrics)
        return metrics
    }
}

/// ||x - y|| / ||y|| of `count` elements; 0 if x equals y.
func relativeDistance(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Double {
    let distance = sumOfSquaredDifferences(x, y, count: count)
    return distance == 0 ? 0 : (distance / sumOfSquares(y, count: count)).squareRoot()
}
