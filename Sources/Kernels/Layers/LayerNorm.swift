// M rows (all tokens of all images of a micro-batch), D channels.

/// Input, parameters and statistics of a layer norm: y = (x - mean) * inverseDeviation * weight + bias.
package struct NormalisedRows {
    let x, weight, bias: UnsafePointer<Float>
    let mean, inverseDeviation: UnsafeMutablePointer<Float>
    let rows, dim: Int

    /// x is (M, D), weight and bias are (D), mean and inverseDeviation are (M) and written by `layerNorm`.
    package init(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        mean: UnsafeMutablePointer<Float>, inverseDeviation: UnsafeMutablePointer<Float>, rows: Int, dim: Int
    ) {
        (self.x, self.weight, self.bias) = (x, weight, bias)
        (self.mean, self.inverseDeviation) = (mean, inverseDeviation)
        (self.rows, self.dim) = (rows, dim)
    }

    struct Row {
        let x, weight, bias: UnsafePointer<Float>
        let mean, inverseDeviation: Float

        @inline(__always)
        func normalised(_ i: Int, _ lanes: Int) -> Vector { (load(x + i, lanes) - mean) * inverseDeviation }

        @inline(__always)
        func output(_ i: Int, _ lanes: Int) -> Vector {
            normalised(i, lanes) * load(weight + i, lanes) + load(bias + i, lanes)
        }
    }

    @inline(__always)
    func row(_ row: Int) -> Row {
        Row(x: x + row &* dim, weight: weight, bias: bias, mean: mean[row], inverseDeviation: inverseDeviation[row])
    }
}

/// y = (x - mean) / sqrt(var + epsilon) * weight + bias for every row, with the biased variance.
///
/// y is (M, D). Each row's mean and 1 / sqrt(var + epsilon) are written to `rows`.
package func layerNorm(_ rows: NormalisedRows, epsilon: Float, into y: Operand) {
    switch y.format {
    case .float32: layerNorm(rows, epsilon, y.elements(Float.self))
    case .bfloat16: layerNorm(rows, epsilon, y.elements(BFloat16.self))
    case .roundedFloat32: layerNorm(rows, epsilon, y.elements(RoundedFloat.self))
    }
}

@inline(__always)
private func layerNorm<Element: OperandElement>(
    _ rows: NormalisedRows, _ epsilon: Float, _ y: UnsafeMutablePointer<Element>
) {
    let dim = rows.dim
    let scale = 1 / Float(dim)
    for index in 0..<rows.rows {
        let source = rows.x + index &* dim
        var total = Vector.zero
        for (i, lanes) in Vectors(dim) { total += load(source + i, lanes) }
        let mean = total.sum() * scale
        var squares = Vector.zero
        for (i, lanes) in Vectors(dim) {
            var centred = load(source + i, lanes) - mean
            if lanes < 16 { clear(&centred, from: lanes) }
            squares += centred * centred
        }
        rows.mean[index] = mean
        rows.inverseDeviation[index] = 1 / (squares.sum() * scale + epsilon).squareRoot()
        let row = rows.row(index)
        for (i, lanes) in Vectors(dim) { Element.store(row.output(i, lanes), y + (index &* dim &+ i), lanes) }
    }
}

/// Backward pass of `layerNorm`: with n = (x - mean) * inverseDeviation and g = dy * weight,
///
///     dx (+)= inverseDeviation * (g - mean(g) - n * mean(g * n));  dweight += sum dy * n;  dbias += sum dy
///
/// With `isAdding` the gradient is added to dx, otherwise dx is overwritten. `skip` is added to dy. dy (if it holds
/// floats) or `skip` may alias dx when `isAdding` is false.
package func layerNormBackward(
    _ dy: Operand, skip: UnsafePointer<Float>? = nil, _ rows: NormalisedRows, into dx: UnsafeMutablePointer<Float>,
    isAdding: Bool, dweight: UnsafeMutablePointer<Float>, dbias: UnsafeMutablePointer<Float>
) {
    if dy.format == .bfloat16 {
        layerNormBackward(dy.elements(BFloat16.self), skip, rows, dx, isAdding, dweight, dbias)
    } else {
        layerNormBackward(dy.floats, skip, rows, dx, isAdding, dweight, dbias)
    }
}

@inline(__always)
private func layerNormBackward<Element: OperandElement>(
    _ dy: UnsafePointer<Element>, _ skip: UnsafePointer<Float>?, _ rows: NormalisedRows,
    _ dx: UnsafeMutablePointer<Float>, _ isAdding: Bool, _ dweight: UnsafeMutablePointer<Float>,
    _ dbias: UnsafeMutablePointer<Float>
) {
    @inline(__always)
    func upstream(_ i: Int, _ lanes: Int) -> Vector {
        let vector = Element.load(dy + i, lanes)
        return if let skip { vector + load(skip + i, lanes) } else { vector }
    }
    let dim = rows.dim
    let scale = 1 / Float(dim)
    for index in 0..<rows.rows {
        let row = rows.row(index)
        let start = index &* dim
        var total = Vector.zero
        var projection = Vector.zero
        for (i, lanes) in Vectors(dim) {
            // dy and weight read as zeros past the end, so they add nothing to the sums.
            let upstream = upstream(start &+ i, lanes)
            let normalised = row.normalised(i, lanes)
            store(load(dweight + i, lanes) + upstream * normalised, dweight + i, lanes)
            store(load(dbias + i, lanes) + upstream, dbias + i, lanes)
            let weighted = upstream * load(rows.weight + i, lanes)
            total += weighted
            projection += weighted * normalised
        }
        let meanGradient = total.sum() * scale
        let meanProjection = projection.sum() * scale
        for (i, lanes) in Vectors(dim) {
            let weighted = upstream(start &+ i, lanes) * load(rows.weight + i, lanes)
            var value = (weighted - meanGradient - row.normalised(i, lanes) * meanProjection) * row.inverseDeviation
            if isAdding { value += load(dx + (start &+ i), lanes) }
            store(value, dx + (start &+ i), lanes)
        }
    }
}
