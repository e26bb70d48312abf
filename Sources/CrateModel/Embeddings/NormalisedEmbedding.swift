import Kernels

// N images, L patches, T = L + 1 tokens, M = N T rows, V = C p p values per patch, D channels.

/// The embedding of the supervised model: z[0] = class token, z[l + 1] = LN(W LN(x_l) + b); plus a learned position
/// table.
///
/// Every matrix also has a row for the class token, so that rows match those of the other layers. That row is zero and
/// does not contribute to sums.
struct NormalisedEmbedding: Embedding {
    let firstNorm: NormLayer  // over V
    let weight: Weight  // W (D, V)
    let bias: Int  // b (D)
    let secondNorm: NormLayer  // over D
    let positions: Int  // (1, T, D)
    let classToken: Int  // (1, 1, D)
    let patchCount: Int
    let valueCount: Int
    let dim: Int
    let tokens: UnsafeMutablePointer<Float>
    private let values: UnsafeMutablePointer<Float>  // patches with a row for the class token, (M, V)
    private let normedValues: Operand  // LN(x), (M, V)
    private let embedded: UnsafeMutablePointer<Float>  // W LN(x) + b, (M, D)
    private let normed: UnsafeMutablePointer<Float>  // LN(W LN(x) + b), (M, D)
    private let gradient: UnsafeMutablePointer<Float>  // (M, V)

    init(_ configuration: ModelConfiguration, in builder: inout LayerBuilder) throws {
        dim = configuration.dim
        patchCount = configuration.patchCount
        valueCount = configuration.patchValueCount
        let initial = LinearInitial.uniform
        firstNorm = try NormLayer("to_patch_embedding.1", dim: valueCount, epsilon: 1e-5, in: &builder)
        weight = builder.weight(
            "to_patch_embedding.2.weight", dim, valueCount, initial: initial.weight(dim, valueCount))
        bias = builder.parameter("to_patch_embedding.2.bias", [dim], initial: initial.bias(inputs: valueCount))
        normed = try builder.floats(builder.rows * dim)
        secondNorm = try NormLayer("to_patch_embedding.3", epsilon: 1e-5, in: &builder)
        positions = builder.parameter("pos_embedding", [1, patchCount + 1, dim], initial: .normal(deviation: 1))
        classToken = builder.parameter("cls_token", [1, 1, dim], initial: .normal(deviation: 1))
        tokens = try builder.floats(builder.rows * dim)
        values = builder.patchValues
        normedValues = try builder.operands(builder.rows * valueCount)
        embedded = try builder.floats(builder.rows * dim)
        gradient = try builder.floats(builder.rows * valueCount)
    }

    func tokenCount(_ batch: PatchBatch) -> Int { patchCount + 1 }

    func forward(_ batch: PatchBatch, _ pass: Pass) {
        let images = pass.firstImage..<pass.firstImage + pass.shape.images
        let imageValues = patchCount * valueCount
        for image in images {
            let target = values + image * (imageValues + valueCount)
            target.update(repeating: 0, count: valueCount)
            (target + valueCount).update(from: batch.patches + image * imageValues, count: imageValues)
        }
        firstNorm.forward(values, pass, into: pass.own(normedValues, width: valueCount))
        multiply(
            pass.tokens(normedValues, width: valueCount), pass.prepared.forward(weight), into: pass.tokens(embedded),
            bias: pass.parameters + bias)
        secondNorm.forward(embedded, pass, into: Operand(pass.own(normed)))
        let count = (patchCount + 1) * dim
        for image in images {
            let (z, table) = (tokens + image * count, pass.parameters + positions)
            add(pass.parameters + classToken, Operand(table), count: dim, into: z)
            add(table + dim, Operand(normed + image * count + dim), count: count - dim, into: z + dim)
        }
    }

    func backward(_ dz: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass) {
        pass.sync()
        // A thread owns some of the D channels, for the images of all threads.
        let part = pass.team.part(pass.thread, of: dim, grain: 16)
        for token in 0..<(part.isEmpty ? 0 : patchCount + 1) {
            let rows = dz + (token * dim + part.lowerBound)
            addSums(of: rows, part, pass, to: positions + token * dim)
            if token == 0 { addSums(of: rows, part, pass, to: classToken) }
        }
        pass.sync()
        for image in pass.firstImage..<pass.firstImage + pass.shape.images {
            (dz + image * (patchCount + 1) * dim).update(repeating: 0, count: dim)
        }
        secondNorm.backward(Operand(pass.own(dz)), x: embedded, pass, into: dz, isAdding: false)
        let upstream = pass.factor(dz, in: pass.scratch.tokenUpstream)
        pass.sync()
        pass.addGradient(of: weight, upstream, normedValues)
        pass.addBiasGradient(bias, dz)
        multiply(
            pass.tokens(upstream), pass.prepared.backward(weight), into: pass.tokens(gradient, width: valueCount))
        let own = Operand(pass.own(gradient, width: valueCount))
        firstNorm.backward(own, x: values, pass, into: gradient, isAdding: false)
    }

    /// Adds one token's gradients over all images, for the channels `part`, to those at `offset`.
    private func addSums(of rows: UnsafePointer<Float>, _ part: Range<Int>, _ pass: Pass, to offset: Int) {
        addColumnSums(
            rows, sign: 1, rows: pass.allImages, columns: part.count, stride: (patchCount + 1) * dim,
            to: pass.gradients + offset + part.lowerBound)
    }

    func prepare(_ pass: Pass) {}

    func collectGradients(_ pass: Pass) {
        firstNorm.collectGradients(pass)
        secondNorm.collectGradients(pass)
    }

    func completeGradients(_ pass: Pass) {}
}
