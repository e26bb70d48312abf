import Kernels

// T tokens per image, D channels, H heads, P = D / H.

extension EncoderBlock {
    func measure(
        _ pass: Pass, scratch: UnsafeMutablePointer<Double>, record: (BlockMetric, _ image: Int, Double) -> Void
    ) {
        let shape = pass.shape
        let count = shape.tokens * pass.dim
        func codingRates(_ u: Operand, _ metric: BlockMetric) {
            for image in 0..<shape.images {
                var rate = 0.0
                for head in 0..<shape.heads {
                    rate += codingRate(
                        u + (image * count + head * shape.headDim), stride: pass.dim, tokens: shape.tokens,
                        headDim: shape.headDim, scratch: scratch)
                }
                record(metric, image, rate)
            }
        }
        codingRates(pass.own(mssa.u), .codingRate)

        // LN(h) again, in fp32.
        let (x, y) = (pass.own(pass.scratch.first), pass.own(output))
        layerNorm(norm.rows(of: mssa.sum, pass), epsilon: norm.epsilon, into: Operand(x))
        for image in 0..<shape.images {
            let (x, y) = (x + image * count, y + image * count)
            record(.sparsityBefore, image, Double(countOfNonPositive(x, count: count)) / Double(count))
            record(.sparsity, image, Double(countOfNonPositive(y, count: count)) / Double(count))
            record(.istaStep, image, relativeDistance(y, x, count: count))
            let entropy = attentionEntropy(
                mssa.probabilities + (pass.firstImage + image) * shape.heads * shape.scoreCount, shape: shape)
            record(.attentionEntropy, image, entropy.all)
            record(.classAttentionEntropy, image, entropy.classToken)
        }

        // LN(h) with the parameters of the attention's norm; the statistics of h are already known.
        let normed = pass.own(pass.scratch.subspaces)
        layerNorm(norm.rows(of: mssa.sum, under: mssa.norm, pass), epsilon: mssa.norm.epsilon, into: normed)
        multiply(
            Matrix(normed, pass.rows, pass.dim), pass.prepared.forward(mssa.subspaces),
            into: pass.tokens(pass.scratch.first))
        codingRates(Operand(x), .codingRateAfter)
    }

    func measureWeights(
        _ parameters: UnsafePointer<Float>, weights: UnsafeMutablePointer<Float>, products: UnsafeMutablePointer<Float>
    ) -> WeightMetrics? {
        let dim = map.inputs
        weights.update(from: parameters + map.offset, count: dim * dim)
        let coherence = dictionaryCoherence(weights, dim: dim, products: products)
        weights.update(from: parameters + mssa.subspaces.offset, count: dim * dim)
        let overlap = subspaceOverlap(
            weights, subspaces: heads, rows: dim / heads, dim: dim, products: products)
        return WeightMetrics(dictionaryCoherence: coherence, subspaceOverlap: overlap)
    }
}

/// ||x - y|| / ||y|| of `count` elements; 0 if x equals y.
func relativeDistance(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Double {
    let distance = sumOfSquaredDifferences(x, y, count: count)
    return distance == 0 ? 0 : (distance / sumOfSquares(y, count: count)).squareRoot()
}
