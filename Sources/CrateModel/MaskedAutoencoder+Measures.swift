import Buffers
import Kernels
import Threads

// M rows: the tokens of a thread's images. T tokens an image, D channels, H heads, P = D / H.

extension MaskedAutoencoder {
    /// Measures what the last `forward` over `images` images left in the workspace; see `BlockMeasure`. The discrepancy of
    /// decoder block l is ||y - z||_F / ||z||_F, y being its output and z the input of encoder block depth - 1 - l, which it
    /// is to bring back.
    public func measure(
        images: Int, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace,
        into memory: borrowing MeasureMemory
    ) {
        let (values, rowCount) = (memory.values.pointer, memory.rowCount)
        let places = (0..<encoder.count).map { block in BlockMeasure.allCases.map { memory.place($0, block: block) } }
        let discrepancies = (0..<memory.matchedDecoderDepth).map { memory.discrepancyPlace(block: $0) }
        let scratch = (0..<workspace.team.count).map { memory.scratch(thread: $0) }
        run(images, parameters, gradients: parameters, workspace) { pass, activations in
            func record(_ place: Int, image: Int, _ value: Double) {
                values[(pass.firstImage + image) * rowCount + place] = value
            }
            for (index, block) in encoder.enumerated() {
                block.measure(pass, activations.encoder[index], scratch: scratch[pass.thread]) {
                    measure, image, value in
                    record(places[index][measure.rawValue], image: image, value)
                }
            }
            for (index, place) in discrepancies.enumerated() {
                let block = encoder.count - 1 - index
                let z = block == 0 ? activations.tokens : activations.encoder[block - 1].output
                let (y, input) = (pass.own(activations.decoder[index].output), pass.own(z))
                let count = pass.shape.tokens * pass.dim
                for image in 0..<pass.shape.images {
                    let distance = sumOfSquaredDifferences(y + image * count, input + image * count, count: count)
                    record(place, image: image, ratio(distance, sumOfSquares(input + image * count, count: count)))
                }
            }
        }
    }

    /// What the weights of `blocks` of the encoder are like, each on one of the threads. Throws `Failure` when memory is short.
    public func measureWeights(
        of blocks: [Int], parameters: UnsafePointer<Float>, team: ThreadTeam
    ) throws -> [WeightMeasures] {
        let dim = configuration.dim
        let scratch = try OwnedBuffer<Float>(count: team.count * 2 * dim * dim)
        let result = try OwnedBuffer<Double>(count: 2 * blocks.count)
        let (memory, values) = (scratch.pointer, result.pointer)
        team.run { thread in
            useSingleThreadedProducts()
            let (weights, products) = (memory + 2 * thread * dim * dim, memory + (2 * thread + 1) * dim * dim)
            for place in team.part(thread, of: blocks.count) {
                let block = encoder[blocks[place]]
                weights.update(from: parameters + block.map.offset, count: dim * dim)
                values[2 * place] = dictionaryCoherence(weights, dim: dim, products: products)
                weights.update(from: parameters + block.attention.subspaces.offset, count: dim * dim)
                values[2 * place + 1] = subspaceOverlap(
                    weights, subspaces: configuration.heads, rows: configuration.headDim, dim: dim, products: products)
            }
        }
        return blocks.indices.map {
            WeightMeasures(dictionaryCoherence: values[2 * $0], subspaceOverlap: values[2 * $0 + 1])
        }
    }
}

extension EncoderBlock {
    /// Measures this thread's images in what a forward pass left in `saved`; `record` takes each of them.
    fileprivate func measure(
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
            let step = sumOfSquaredDifferences(y, x, count: count)
            record(.istaStep, image, ratio(step, sumOfSquares(x, count: count)))
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

/// sqrt(a / b); 0 where both are.
private func ratio(_ a: Double, _ b: Double) -> Double { a == 0 ? 0 : (a / b).squareRoot() }
