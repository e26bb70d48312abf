import Base
import Kernels

// N images, L patches, T = L + 1 tokens, M = N T rows, V = 3 p p values a patch, D channels.

/// Patches to tokens in the supervised model: z[0] = class token, z[l + 1] = LN(W LN(x_l) + b); plus a learned table of
/// positions.
///
/// Every matrix has a row for the class token too, so that its rows are those of all others; it is zero and stays out of sums.
struct NormalisedEmbedding: Sendable {
    let firstNorm: NormLayer  // over V
    let weight: Weight  // W (D, V)
    let bias: Int  // b (D)
    let secondNorm: NormLayer  // over D
    let positions: Int  // (1, T, D)
    let classToken: Int  // (1, 1, D)
    let patchCount: Int
    let valueCount: Int
    let dim: Int

    struct Saved {
        let firstNorm: NormLayer.Saved  // (M, V)
        let embedded: UnsafeMutablePointer<Float>  // W LN(x) + b, (M, D)
        let secondNorm: NormLayer.Saved  // its output goes to the tokens
        let gradient: UnsafeMutablePointer<Float>  // (M, V)

        init(
            _ configuration: ModelConfiguration, rows: Int, _ format: OperandFormat, threads: Int,
            in arena: inout Arena
        ) throws {
            let (dim, valueCount) = (configuration.dim, configuration.patchValueCount)
            firstNorm = try .init(rows: rows, dim: valueCount, format, threads: threads, in: &arena)
            embedded = try arena.floats(rows * dim)
            let normed = Operand(try arena.floats(rows * dim))
            secondNorm = try .init(rows: rows, dim: dim, threads: threads, output: normed, in: &arena)
            gradient = try arena.floats(rows * valueCount)
        }
    }

    init(
        _ configuration: ModelConfiguration, in layout: inout ParameterLayout, prepared: inout PreparedLayout
    ) {
        dim = configuration.dim
        patchCount = configuration.patchCount
        valueCount = configuration.patchValueCount
        let initial = InitialValue.linear(inputs: valueCount)
        firstNorm = NormLayer("to_patch_embedding.1", dim: valueCount, epsilon: 1e-5, in: &layout)
        weight = prepared.append(
            layout.append("to_patch_embedding.2.weight", [dim, valueCount], initial: initial.weight), dim, valueCount)
        bias = layout.append("to_patch_embedding.2.bias", [dim], initial: initial.bias)
        secondNorm = NormLayer("to_patch_embedding.3", dim: dim, epsilon: 1e-5, in: &layout)
        positions = layout.append("pos_embedding", [1, patchCount + 1, dim], initial: .normal(deviation: 1))
        classToken = layout.append("cls_token", [1, 1, dim], initial: .normal(deviation: 1))
    }

    /// Writes the tokens z (N, T, D), and the patches with a row for the class token to `values` (M, V).
    func forward(
        _ batch: PatchBatch, _ pass: Pass, values: UnsafeMutablePointer<Float>, _ saved: Saved,
        into z: UnsafeMutablePointer<Float>
    ) {
        let images = pass.firstImage..<pass.firstImage + pass.shape.images
        let imageValues = patchCount * valueCount
        for image in images {
            let target = values + image * (imageValues + valueCount)
            target.update(repeating: 0, count: valueCount)
            (target + valueCount).update(from: batch.patches + image * imageValues, count: imageValues)
        }
        firstNorm.forward(values, pass, saved.firstNorm)
        multiply(
            pass.tokens(saved.firstNorm.output, width: valueCount), pass.matrix(weight).transposed,
            into: pass.tokens(saved.embedded))
        let embedded = pass.own(saved.embedded)
        addRow(embedded, bias: pass.parameters + bias, sign: 1, rows: pass.rows, dim: dim, into: embedded)
        secondNorm.forward(saved.embedded, pass, saved.secondNorm)
        let count = (patchCount + 1) * dim
        for image in images {
            let (tokens, table) = (z + image * count, pass.parameters + positions)
            add(pass.parameters + classToken, Operand(table), count: dim, into: tokens)
            let normed = saved.secondNorm.output + (image * count + dim)
            add(table + dim, normed, count: count - dim, into: tokens + dim)
        }
    }

    /// From dz (N, T, D), which is used up: the gradients of all parameters.
    func backward(
        _ dz: UnsafeMutablePointer<Float>, _ pass: Pass, values: UnsafeMutablePointer<Float>, _ saved: Saved
    ) {
        pass.sync()
        // A thread owns some of the D channels, over the images of all threads.
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
        secondNorm.backward(Operand(dz), x: saved.embedded, pass, saved.secondNorm, into: dz, isAdding: false)
        let upstream = pass.factor(dz, in: pass.scratch.upstream)
        pass.sync()
        pass.addGradient(of: weight, upstream, saved.firstNorm.output)
        pass.addBiasGradient(bias, dz)
        multiply(pass.tokens(upstream), pass.matrix(weight), into: pass.tokens(saved.gradient, width: valueCount))
        firstNorm.backward(
            Operand(saved.gradient), x: values, pass, saved.firstNorm, into: saved.gradient, isAdding: false)
    }

    /// Adds one token's gradients of all images, of the channels `part`, to those at `offset`.
    private func addSums(of rows: UnsafePointer<Float>, _ part: Range<Int>, _ pass: Pass, to offset: Int) {
        addColumnSums(
            rows, sign: 1, rows: pass.allImages, columns: part.count, stride: (patchCount + 1) * dim,
            to: pass.gradients + offset + part.lowerBound)
    }

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass, _ saved: Saved) {
        firstNorm.collectGradients(pass, saved.firstNorm)
        secondNorm.collectGradients(pass, saved.secondNorm)
    }
}
