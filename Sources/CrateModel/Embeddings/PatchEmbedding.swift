import Kernels

// N images, L patches, T tokens, V = C p p values per patch, D channels.

/// z[0] = class token; z[l + 1] = W_e x_l + b_e, or the mask token if the patch is hidden; plus the position table. Only
/// visible patches are multiplied, since the mask token replaces the others. With `omits` hidden patches have no token at all.
struct PatchEmbedding: Embedding {
    let classToken: Int  // (1, 1, D)
    let maskToken: Int?  // (1, 1, D); nil if hidden patches have no tokens
    let weight: Weight  // W_e (D, V), columns in the order of V; the parameter is (D, C, p, p)
    let bias: Int  // b_e (D)
    let patchCount: Int
    let valueCount: Int
    private let channels: Int
    let dim: Int
    let tokens: UnsafeMutablePointer<Float>
    private let positions: PositionRows
    private let omits: Bool
    private let values: Operand  // the visible patches of all images as factors, at most (M, V)

    init(_ configuration: ModelConfiguration, _ form: Form, in builder: inout LayerBuilder) throws {
        dim = configuration.dim
        patchCount = configuration.patchCount
        valueCount = configuration.patchValueCount
        channels = configuration.channels
        omits = form.hiding == .omission
        let side = configuration.patchSize
        classToken = builder.parameter("cls_token", [1, 1, dim], initial: .normal(deviation: form.deviation))
        maskToken =
            form.hiding == .maskTokens
            ? builder.parameter("mask_token", [1, 1, dim], initial: .normal(deviation: 0.02)) : nil
        weight = builder.weight(
            "\(form.product).weight", dim, valueCount, stored: [dim, channels, side, side],
            initial: LinearInitial.xavier.weight(dim, valueCount), isDerived: true)
        bias = builder.parameter(
            "\(form.product).bias", [dim], initial: LinearInitial.uniform.bias(inputs: valueCount))
        positions =
            form.learnsPositions
            ? .learned(
                builder.parameter(form.positions, [1, patchCount + 1, dim], initial: .normal(deviation: 0.02)))
            : .fixed(configuration.positions)
        tokens = try builder.floats(builder.rows * dim)
        values = Operand(builder.patchValues, builder.format)
    }

    /// Images of a batch have the same number of visible patches where that is the number of tokens.
    func tokenCount(_ batch: PatchBatch) -> Int { 1 + (omits ? visibleCount(batch, 0..<1) : patchCount) }

    func forward(_ batch: PatchBatch, _ pass: Pass) {
        let images = pass.firstImage..<pass.firstImage + pass.shape.images
        let (first, visible) = gatherVisiblePatches(batch, images)
        precondition(
            !omits || visible == images.count * (pass.shape.tokens - 1), "images with other numbers of patches")
        let embedded = pass.first(.float32).floats
        multiply(
            Matrix(values + first * valueCount, visible, valueCount), pass.prepared.forward(weight),
            into: Matrix(embedded, visible, dim), bias: pass.parameters + bias)
        var next = embedded
        positions.withRows(pass.parameters) { positions in
            forEachToken(batch, images, pass) { token, row, isVisible in
                let fixed = pass.parameters + (token == 0 ? classToken : maskToken ?? classToken)
                add(isVisible ? next : fixed, Operand(positions + token * dim), count: dim, into: tokens + row * dim)
                if isVisible { next += dim }
            }
        }
    }

    /// dW_e += (visible rows)^T x, with columns in the order of V; db_e, class and mask token and learned positions += the sums of
    /// their rows.
    func backward(_ dz: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass) {
        let images = pass.firstImage..<pass.firstImage + pass.shape.images
        let (first, _) = gatherVisiblePatches(batch, images)
        let upstream = pass.scratch.first(pass.prepared.format)
        var next = upstream + first * dim
        forEachToken(batch, images, pass) { _, row, isVisible in
            guard isVisible else { return }
            convert(dz + row * dim, count: dim, into: next)
            next = next + dim
        }
        pass.sync()
        // From here on a thread owns parts of the gradients, for the images of all threads.
        let part = pass.team.part(pass.thread, of: dim, grain: 16)
        let gradients = pass.gradients + part.lowerBound
        forEachToken(batch, 0..<(part.isEmpty ? 0 : batch.images), pass) { token, row, isVisible in
            let source = Operand(dz + row * dim + part.lowerBound)
            let sums = gradients + (token == 0 ? classToken : isVisible ? bias : maskToken ?? classToken)
            add(sums, source, count: part.count, into: sums)
            guard let table = positions.offset else { return }
            add(gradients + table + token * dim, source, count: part.count, into: gradients + table + token * dim)
        }
        var row = 0
        for image in 0..<batch.images {
            let visible = visibleCount(batch, image..<image + 1)
            pass.addGradient(
                of: weight, upstream + row * dim, values + row * valueCount, rows: visible, part: max(1, visible))
            row += visible
        }
    }

    /// Reorders the columns of the weight to the order of V.
    func prepare(_ pass: Pass) {
        let values = pass.ownDerivation
        for d in 0..<dim {
            let (stored, row) = (pass.parameters + weight.offset + d * valueCount, values + d * valueCount)
            for v in 0..<valueCount { row[v] = stored[storedColumn(v)] }
        }
        pass.prepared.pack(weight, values)
    }

    func collectGradients(_ pass: Pass) {}

    /// Reorders the weight's gradient from the order of V to the stored order.
    func completeGradients(_ pass: Pass) {
        let scratch = pass.derivation
        for d in 0..<dim {
            let row = pass.gradients + weight.offset + d * valueCount
            scratch.update(from: row, count: valueCount)
            for v in 0..<valueCount { row[storedColumn(v)] = scratch[v] }
        }
    }

    /// Packs the visible patches of `images` behind those of the images before. Returns the row of the first, and their number.
    private func gatherVisiblePatches(_ batch: PatchBatch, _ images: Range<Int>) -> (first: Int, count: Int) {
        let first = visibleCount(batch, 0..<images.lowerBound)
        var next = values + first * valueCount
        for patch in images.lowerBound * patchCount..<images.upperBound * patchCount where !batch.hides(patch) {
            convert(batch.patches + patch * valueCount, count: valueCount, into: next)
            next = next + valueCount
        }
        return (first, visibleCount(batch, images))
    }

    private func visibleCount(_ batch: PatchBatch, _ images: Range<Int>) -> Int {
        (images.lowerBound * patchCount..<images.upperBound * patchCount).count { !batch.hides($0) }
    }

    /// Calls `body` with every token of `images`: its place among the positions, its row in (N, T), and whether it is a visible patch.
    private func forEachToken(
        _ batch: PatchBatch, _ images: Range<Int>, _ pass: Pass, _ body: (Int, Int, Bool) -> Void
    ) {
        for image in images {
            var row = image * pass.shape.tokens
            for token in 0...patchCount {
                let isVisible = token > 0 && !batch.hides(image * patchCount + token - 1)
                guard token == 0 || isVisible || !omits else { continue }
                body(token, row, isVisible)
                row += 1
            }
        }
    }

    /// Published weights are (channel, row, column), patches are (row, column, channel).
    private func storedColumn(_ v: Int) -> Int {
        (v % channels) * (valueCount / channels) + v / channels
    }
}
