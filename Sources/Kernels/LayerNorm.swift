// M rows (all tokens of all images of a micro-batch), D channels.

/// y = (x - mean) / sqrt(var + epsilon) * weight + bias for every row, with the biased variance.
///
/// x, y: (M, D); weight, bias: (D); mean, inverseDeviation: (M), kept for the backward pass.
public func layerNorm(
    _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
    rows: Int, dim: Int, into y: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>,
    inverseDeviation: UnsafeMutablePointer<Float>
) {
    let scale = 1 / Float(dim)
    for row in 0..<rows {
        let source = x + row &* dim
        let result = y + row &* dim
        var total = Vector.zero
        var i = 0
        while i < dim {
            total += load(source + i, dim &- i)
            i &+= 16
        }
        let rowMean = total.sum() * scale
        var squares = Vector.zero
        i = 0
        while i < dim {
            let lanes = dim &- i
            var centred = load(source + i, lanes) - rowMean
            if lanes < 16 { clear(&centred, from: lanes) }
            squares += centred * centred
            i &+= 16
        }
        let rowInverse = 1 / (squares.sum() * scale + epsilon).squareRoot()
        i = 0
        while i < dim {
            let lanes = dim &- i
            let normalised = (load(source + i, lanes) - rowMean) * rowInverse
            store(normalised * load(weight + i, lanes) + load(bias + i, lanes), result + i, lanes)
            i &+= 16
        }
        mean[row] = rowMean
        inverseDeviation[row] = rowInverse
    }
}

/// Backward of `layerNorm`: with n = (x - mean) * inverseDeviation and g = dy * weight,
///
///     dx (+)= inverseDeviation * (g - mean(g) - n * mean(g * n));  dweight += sum dy * n;  dbias += sum dy
///
/// dx is added to when `isAdding`, else overwritten; it may be the same memory as dy when not adding.
public func layerNormBackward(
    _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, weight: UnsafePointer<Float>, mean: UnsafePointer<Float>,
    inverseDeviation: UnsafePointer<Float>, rows: Int, dim: Int, into dx: UnsafeMutablePointer<Float>,
    isAdding: Bool, dweight: UnsafeMutablePointer<Float>, dbias: UnsafeMutablePointer<Float>
) {
    let scale = 1 / Float(dim)
    for row in 0..<rows {
        let source = x + row &* dim
        let gradient = dy + row &* dim
        let result = dx + row &* dim
        let rowMean = mean[row]
        let rowInverse = inverseDeviation[row]
        var total = Vector.zero
        var projection = Vector.zero
        var i = 0
        while i < dim {
            // Behind the last element dy and weight read as zeros, so every sum here does too.
            let lanes = dim &- i
            let upstream = load(gradient + i, lanes)
            let normalised = (load(source + i, lanes) - rowMean) * rowInverse
            store(load(dweight + i, lanes) + upstream * normalised, dweight + i, lanes)
            store(load(dbias + i, lanes) + upstream, dbias + i, lanes)
            let weighted = upstream * load(weight + i, lanes)
            total += weighted
            projection += weighted * normalised
            i &+= 16
        }
        let meanGradient = total.sum() * scale
        let meanProjection = projection.sum() * scale
        i = 0
        while i < dim {
            let lanes = dim &- i
            let normalised = (load(source + i, lanes) - rowMean) * rowInverse
            let weighted = load(gradient + i, lanes) * load(weight + i, lanes)
            var value = (weighted - meanGradient - normalised * meanProjection) * rowInverse
            if isAdding { value += load(result + i, lanes) }
            store(value, result + i, lanes)
            i &+= 16
        }
    }
}
