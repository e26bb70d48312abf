// M rows (all tokens of all images of a micro-batch), D channels.

/// Rows to be normalised, and what normalises them: y = (x - mean) * inverseDeviation * weight + bias.
package struct NormalisedRows {
    let x, weight, bias: UnsafePointer<Float>
    let mean, inverseDeviation: UnsafeMutablePointer<Float>
    let rows, dim: Int

    /// x: (M, D); weight, bias: (D); mean, inverseDeviation: (M), written by `layerNorm`.
    package init(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        mean: UnsafeMutablePointer<Float>, inverseDeviation: UnsafeMutablePointer<Float>, rows: Int, dim: Int
    ) {
        (self.x, self.weight, self.bias) = (x, weight, bias)
        (self.mean, self.inverseDeviation) = (mean, inverseDeviation)
        (self.rows, self.dim) = (rows, dim)
    }

    /// One row, with its statistics at hand.
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
/// y: (M, D). Mean and 1 / sqrt(var + epsilon) of each row are kept in `rows`.
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
        var i = 0
        while i < dim {
            total += load(source + i, dim &- i)
            i &+= 16
        }
        let mean = total.sum() * scale
        var squares = Vector.zero
        i = 0
        while i < dim {
            let lanes = dim &- i
            var centred = load(source + i, lanes) - mean
            if lanes < 16 { clear(&centred, from: lanes) }
            squares += centred * centred
            i &+= 16
        }
        rows.mean[index] = mean
        rows.inverseDeviation[index] = 1 / (squares.sum() * scale + epsilon).squareRoot()
        let row = rows.row(index)
        i = 0
        while i < dim {
            Element.store(row.output(i, dim &- i), y + (index &* dim &+ i), dim &- i)
            i &+= 16
        }
    }
}

/// Backward of `layerNorm`: with n = (x - mean) * inverseDeviation and g = dy * weight,
///
///     dx (+)= inverseDeviation * (g - mean(g) - n * mean(g * n));  dweight += sum dy * n;  dbias += sum dy
///
/// dx is added to when `isAdding`, else overwritten. `skip`, where given, is a second part of dy; dy or `skip` may be the
/// same memory as dx when not adding and dy are floats.
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
    let dim = rows.dim
    let scale = 1 / Float(dim)
    for index in 0..<rows.rows {
        let row = rows.row(index)
        let start = index &* dim
        var total = Vector.zero
        var projection = Vector.zero
        var i = 0
        while i < dim {
            // Behind the last element dy and weight read as zeros, so every sum here does too.
            let lanes = dim &- i
            var upstream = Element.load(dy + (start &+ i), lanes)
            if let skip { upstream += load(skip + (start &+ i), lanes) }
            let normalised = row.normalised(i, lanes)
            store(load(dweight + i, lanes) + upstream * normalised, dweight + i, lanes)
            store(load(dbias + i, lanes) + upstream, dbias + i, lanes)
            let weighted = upstream * load(rows.weight + i, lanes)
            total += weighted
            projection += weighted * normalised
            i &+= 16
        }
        let meanGradient = total.sum() * scale
        let meanProjection = projection.sum() * scale
        i = 0
        while i < dim {
            let lanes = dim &- i
            var upstream = Element.load(dy + (start &+ i), lanes)
            if let skip { upstream += load(skip + (start &+ i), lanes) }
            let weighted = upstream * load(rows.weight + i, lanes)
            var value = (weighted - meanGradient - row.normalised(i, lanes) * meanProjection) * row.inverseDeviation
            if isAdding { value += load(dx + (start &+ i), lanes) }
            store(value, dx + (start &+ i), lanes)
            i &+= 16
        }
    }
}
