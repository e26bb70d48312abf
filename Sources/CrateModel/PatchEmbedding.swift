import Buffers
import Kernels

// N images, L patches, T = L + 1 tokens, V = 3 p p values a patch, D channels.

/// The images that a pass works on.
public struct MaskedBatch {
    /// Patches (N, L, V), values in (row, column, channel) order.
    public let patches: UnsafePointer<Float>
    /// (N, L), 1 where the patch is hidden from the encoder.
    public let mask: UnsafePointer<UInt8>
    /// N.
    public let images: Int

    /// A batch of `images` images in memory that somebody else owns.
    public init(patches: UnsafePointer<Float>, mask: UnsafePointer<UInt8>, images: Int) {
        self.patches = patches
        self.mask = mask
        self.images = images
    }
}

/// Patches to tokens: z[0] = class token; z[l + 1] = W_e x_l + b_e, or the mask token where hidden; plus the
/// position table. Only visible patches are multiplied, since the mask token overwrites the others.
struct PatchEmbedding: Sendable {
    let classToken: Int  // (1, 1, D)
    let maskToken: Int  // (1, 1, D)
    let weight: Int  // W_e (D, 3, p, p)
    let columns: Int  // W_e with its columns in the order of V, (D, V), among the prepared weights
    let bias: Int  // b_e (D)
    let patchCount: Int
    let valueCount: Int
    let dim: Int
    let positions: [Float]  // (T, D)

    /// Memory of a pass. `values` and `embedded` may be scratch of other layers.
    struct Memory {
        let values: UnsafeMutablePointer<Float>  // visible patches, (N L, V)
        let embedded: UnsafeMutablePointer<Float>  // (N L, D)
    }

    init(
        _ configuration: ModelConfiguration, in layout: inout ParameterLayout, prepared: inout PreparedLayout
    ) {
        dim = configuration.dim
        patchCount = configuration.patchCount
        valueCount = configuration.patchValueCount
        positions = positionTable(dim: dim, grid: configuration.imageSize / configuration.patchSize)
        let side = configuration.patchSize
        let xavier = (6 / Double(dim + valueCount)).squareRoot()
        classToken = layout.append("cls_token", [1, 1, dim], initial: .normal(deviation: 0.02))
        maskToken = layout.append("mask_token", [1, 1, dim], initial: .normal(deviation: 0.02))
        weight = layout.append(
            "patch_embed.proj.weight", [dim, ModelConfiguration.channels, side, side], initial: .uniform(bound: xavier))
        columns = prepared.append(dim * valueCount)
        bias = layout.append(
            "patch_embed.proj.bias", [dim], initial: .uniform(bound: 1 / Double(valueCount).squareRoot()))
    }

    /// Writes the tokens z (N, T, D).
    func forward(_ batch: MaskedBatch, _ pass: Pass, _ memory: Memory, into z: UnsafeMutablePointer<Float>) {
        let images = pass.firstImage..<pass.firstImage + pass.shape.images
        let visible = gatherVisiblePatches(batch, images, into: memory.values)
        let embedded = memory.embedded + images.lowerBound * patchCount * dim
        multiply(
            Matrix(memory.values + images.lowerBound * patchCount * valueCount, visible, valueCount),
            Matrix(pass.prepared + columns, dim, valueCount).transposed, into: Matrix(embedded, visible, dim))
        addRow(embedded, bias: pass.parameters + bias, sign: 1, rows: visible, dim: dim, into: embedded)
        var next = embedded
        positions.withUnsafeBufferPointer { positions in
            forEachToken(batch, images) { token, row, isVisible in
                let fixed = pass.parameters + (token == 0 ? classToken : maskToken)
                add(
                    isVisible ? next : fixed, positions.baseAddress! + token * dim, sign: 1, count: dim,
                    into: z + row * dim)
                if isVisible { next += dim }
            }
        }
    }

    /// From dz (N, T, D): dW_e += (visible rows)^T x, its columns in the order of V; db_e, class and mask token += the sums of their rows.
    func backward(_ dz: UnsafeMutablePointer<Float>, _ batch: MaskedBatch, _ pass: Pass, _ memory: Memory) {
        let images = pass.firstImage..<pass.firstImage + pass.shape.images
        _ = gatherVisiblePatches(batch, images, into: memory.values)
        var next = memory.embedded + images.lowerBound * patchCount * dim
        forEachToken(batch, images) { _, row, isVisible in
            guard isVisible else { return }
            next.update(from: dz + row * dim, count: dim)
            next += dim
        }
        pass.sync()
        // From here on a thread owns some of the D channels, over the images of all threads.
        let part = pass.team.part(pass.thread, of: dim, grain: 16)
        guard !part.isEmpty else { return }
        forEachToken(batch, 0..<batch.images) { token, row, isVisible in
            guard !isVisible else { return }
            let sums = pass.gradients + (token == 0 ? classToken : maskToken) + part.lowerBound
            add(sums, dz + row * dim + part.lowerBound, sign: 1, count: part.count, into: sums)
        }
        let gradient = Matrix(pass.gradients + weight + part.lowerBound * valueCount, part.count, valueCount)
        for thread in 0..<pass.team.count {
            let images = pass.team.part(thread, of: batch.images)
            let visible = visibleCount(batch, images)
            let embedded = memory.embedded + images.lowerBound * patchCount * dim + part.lowerBound
            let values = memory.values + images.lowerBound * patchCount * valueCount
            addColumnSums(
                embedded, sign: 1, rows: visible, columns: part.count, stride: dim,
                to: pass.gradients + bias + part.lowerBound)
            multiply(
                Matrix(embedded, visible, part.count, stride: dim).transposed, Matrix(values, visible, valueCount),
                into: gradient, isAdding: true)
        }
    }

    /// The weight with its columns in the order of V.
    func prepare(_ parameters: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {
        for d in 0..<dim {
            let (stored, row) = (parameters + weight + d * valueCount, prepared + columns + d * valueCount)
            for v in 0..<valueCount { row[v] = stored[storedColumn(v)] }
        }
    }

    /// The weight's gradient from the order of V to the stored one. The first prepared row is used up as scratch.
    func finishGradient(_ gradients: UnsafeMutablePointer<Float>, prepared: UnsafeMutablePointer<Float>) {
        for d in 0..<dim {
            let (row, copy) = (gradients + weight + d * valueCount, prepared + columns)
            copy.update(from: row, count: valueCount)
            for v in 0..<valueCount { row[storedColumn(v)] = copy[v] }
        }
    }

    /// Packs the visible patches of `images`, from the place of the first of them on, and returns their number.
    private func gatherVisiblePatches(
        _ batch: MaskedBatch, _ images: Range<Int>, into values: UnsafeMutablePointer<Float>
    ) -> Int {
        let patches = images.lowerBound * patchCount..<images.upperBound * patchCount
        var next = values + patches.lowerBound * valueCount
        for patch in patches where batch.mask[patch] == 0 {
            next.update(from: batch.patches + patch * valueCount, count: valueCount)
            next += valueCount
        }
        return visibleCount(batch, images)
    }

    private func visibleCount(_ batch: MaskedBatch, _ images: Range<Int>) -> Int {
        (images.lowerBound * patchCount..<images.upperBound * patchCount).count { batch.mask[$0] == 0 }
    }

    /// Calls `body` with every token of `images`, its row in (N, T), and whether it is a visible patch.
    private func forEachToken(_ batch: MaskedBatch, _ images: Range<Int>, _ body: (Int, Int, Bool) -> Void) {
        for image in images {
            for token in 0...patchCount {
                let isVisible = token > 0 && batch.mask[image * patchCount + token - 1] == 0
                body(token, image * (patchCount + 1) + token, isVisible)
            }
        }
    }

    /// Published weights are (channel, row, column), patches are (row, column, channel).
    private func storedColumn(_ v: Int) -> Int {
        let channels = ModelConfiguration.channels
        return (v % channels) * (valueCount / channels) + v / channels
    }
}
