// T tokens. Scores are (T, T) with a row stride that is a multiple of 16 and at least T. Padding columns hold zeros
// after the forward pass, so that whole vectors can be read.

/// A = softmax(scale S) by rows, scale > 0. S is overwritten. A has the same stride.
@inline(__always)
func softmaxRows<Element: OperandElement>(
    _ scores: UnsafeMutablePointer<Float>, scale: Float, tokens: Int, stride: Int,
    into probabilities: UnsafeMutablePointer<Element>
) {
    let tail = tokens & 15
    for row in 0..<tokens {
        let line = scores + row &* stride
        if tail != 0 {
            for column in tokens..<stride { line[column] = -.infinity }
        }
        var largest = Vector(repeating: -.infinity)
        for (i, _) in Vectors(tokens) {
            let value = load(line + i, 16)
            largest.replace(with: value, where: value .> largest)
        }
        let maximum = largest.max()
        var total = Vector.zero
        for (i, _) in Vectors(tokens) {
            let value = exponential((load(line + i, 16) - maximum) * scale)
            store(value, line + i, 16)
            total += value
        }
        let inverse = 1 / total.sum()
        for (i, _) in Vectors(tokens) {
            Element.store(load(line + i, 16) * inverse, probabilities + (row &* stride &+ i), 16)
        }
    }
}

/// Replaces dA by dS = scale A * (dA - rowsum(A * dA)). The row sum equals rowsum(dO * O) and is cheaper.
@inline(__always)
func softmaxRowsBackward<Element: OperandElement>(
    _ gradient: UnsafeMutablePointer<Float>, probabilities: UnsafePointer<Element>, scale: Float, tokens: Int,
    stride: Int
) {
    for row in 0..<tokens {
        let line = gradient + row &* stride
        let weights = probabilities + row &* stride
        var projection = Vector.zero
        for (i, _) in Vectors(tokens) { projection += load(line + i, 16) * Element.load(weights + i, 16) }
        let shift = projection.sum()
        for (i, _) in Vectors(tokens) {
            store((load(line + i, 16) - shift) * (Element.load(weights + i, 16) * scale), line + i, 16)
        }
    }
}
