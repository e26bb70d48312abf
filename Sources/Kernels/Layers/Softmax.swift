// T tokens; scores are (T, T) with rows `stride` apart, a multiple of 16 that is at least T. What lies between
// T and the stride is padding: it holds zeros after the forward pass, so that whole vectors may be read.

/// A = softmax(scale S) row by row: exp(scale (s - max)) / sum of exp(scale (s - max)), scale > 0. S is used up; A has rows
/// of the same stride.
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
        var i = 0
        while i < tokens {
            let value = load(line + i, 16)
            largest.replace(with: value, where: value .> largest)
            i &+= 16
        }
        let maximum = largest.max()
        var total = Vector.zero
        i = 0
        while i < tokens {
            let value = exponential((load(line + i, 16) - maximum) * scale)
            store(value, line + i, 16)
            total += value
            i &+= 16
        }
        let inverse = 1 / total.sum()
        i = 0
        while i < tokens {
            Element.store(load(line + i, 16) * inverse, probabilities + (row &* stride &+ i), 16)
            i &+= 16
        }
    }
}

/// dS = scale A * (dA - rowsum(A * dA)), in place of dA. The row sum equals rowsum(dO * O), at less cost.
@inline(__always)
func softmaxRowsBackward<Element: OperandElement>(
    _ gradient: UnsafeMutablePointer<Float>, probabilities: UnsafePointer<Element>, scale: Float, tokens: Int,
    stride: Int
) {
    for row in 0..<tokens {
        let line = gradient + row &* stride
        let weights = probabilities + row &* stride
        var projection = Vector.zero
        var i = 0
        while i < tokens {
            projection += load(line + i, 16) * Element.load(weights + i, 16)
            i &+= 16
        }
        let shift = projection.sum()
        i = 0
        while i < tokens {
            store((load(line + i, 16) - shift) * (Element.load(weights + i, 16) * scale), line + i, 16)
            i &+= 16
        }
    }
}
