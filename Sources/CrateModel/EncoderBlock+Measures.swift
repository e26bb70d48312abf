import Kernels

// T tokens an image, D channels, H heads, P = D / H.

extension EncoderBlock {
    /// Measures this thread's images in what a forward pass left in `saved`; `record` takes each of them.
    func measure(
        _ pass: Pass, _ saved: Saved, scratch: UnsafeMutablePointer<Double>,
        record: (BlockMeasure, _ image: Int, Double) -> Void
    ) {
        let (shape, sum) = (pass.shape, saved.attention.sum)
        let count = shape.tokens * pass.dim
        func codingRates(_ u: Operand, _ measure: BlockMeasure) {
            for image in 0..<shape.images {
                var rate = 0.0
                for head in 0..<shape.heads {
                    rate += codingRate(
                        u + (image * count + head * shape.headDim), stride: pass.dim, tokens: shape.tokens,
                        headDim: shape.headDim, scratch: scratch)
                }
                record(measure, image, rate)
            }
        }
        codingRates(pass.own(saved.attention.u), .codingRate)

        // LN(h) once more, without rounding.
        let (x, output) = (pass.own(pass.scratch.first), pass.own(saved.output))
        layerNorm(norm.rows(of: sum, pass, saved.norm), epsilon: norm.epsilon, into: Operand(x))
        for image in 0..<shape.images {
            let (x, y) = (x + image * count, output + image * count)
            record(.sparsityBefore, image, Double(countOfNonPositive(x, count: count)) / Double(count))
            record(.sparsity, image, Double(countOfNonPositive(y, count: count)) / Double(count))
            record(.istaStep, image, relativeDistance(y, x, count: count))
            let entropy = attentionEntropy(
                saved.attention.probabilities + (pass.firstImage + image) * shape.heads * shape.scoreCount, shape: shape
            )
            record(.attentionEntropy, image, entropy.all)
            record(.classAttentionEntropy, image, entropy.classToken)
        }

        // The statistics of h are those that ISTA's norm has saved, since both norms have one epsilon.
        let normed = pass.own(pass.scratch.second)
        layerNorm(
            attention.norm.rows(of: sum, pass, saved.norm), epsilon: attention.norm.epsilon, into: normed)
        multiply(
            Matrix(normed, pass.rows, pass.dim), pass.matrix(attention.subspaces).transposed,
            into: pass.tokens(pass.scratch.first))
        codingRates(Operand(x), .codingRateAfter)
    }
}

/// ||x - y|| / ||y|| of `count` elements; 0 where x is y.
func relativeDistance(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Double {
    let distance = sumOfSquaredDifferences(x, y, count: count)
    return distance == 0 ? 0 : (distance / sumOfSquares(y, count: count)).squareRoot()
}
