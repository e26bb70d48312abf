// Statistics of activations. T tokens, H heads; E as in SubspaceAttention.swift.

/// The number of elements that are not positive. For the output of a ReLU this is the number of zeros.
package func countOfNonPositive(_ x: UnsafePointer<Float>, count: Int) -> Int {
    var positive = SIMD16<Int32>.zero
    for (i, lanes) in Vectors(count) {
        positive &+= SIMD16<Int32>.zero.replacing(with: 1, where: load(x + i, lanes) .> Vector.zero)
    }
    return count - Int(positive.wrappedSum())
}

/// The number of elements of a factor that are closer to zero than `bound`.
package func countOfSmall(_ x: Operand, bound: Float, count: Int) -> Int {
    func small<Element: OperandElement>(_ elements: UnsafePointer<Element>) -> Int {
        var large = SIMD16<Int32>.zero
        for (i, lanes) in Vectors(count) {
            let value = Element.load(elements + i, lanes)
            large &+= SIMD16<Int32>.zero.replacing(with: 1, where: (value .>= bound) .| (value .<= -bound))
        }
        return count - Int(large.wrappedSum())
    }
    return x.format == .bfloat16 ? small(x.elements(BFloat16.self)) : small(x.elements(Float.self))
}

/// The mean entropy of one image's attention in nats, over all heads and queries and for the class token's query alone.
///
/// `probabilities` is A of the image, (H, E, E). Padding rows and columns are ignored.
package func attentionEntropy(_ probabilities: Operand, shape: AttentionShape) -> (all: Double, classToken: Double) {
    switch probabilities.format {
    case .float32, .roundedFloat32: attentionEntropy(probabilities.floats, shape)
    case .bfloat16: attentionEntropy(probabilities.elements(BFloat16.self), shape)
    }
}

@inline(__always)
private func attentionEntropy<Element: OperandElement>(
    _ probabilities: UnsafePointer<Element>, _ shape: AttentionShape
) -> (all: Double, classToken: Double) {
    var (all, classToken) = (0.0, 0.0)
    for head in 0..<shape.heads {
        for query in 0..<shape.tokens {
            let row = probabilities + (head &* shape.scoreCount &+ query &* shape.extent)
            var total = Vector.zero
            for (i, lanes) in Vectors(shape.tokens) {
                let weights = Element.load(row + i, lanes)
                total -= weights * logarithm(weights)
            }
            let entropy = doubleSum(total)
            all += entropy
            if query == 0 { classToken += entropy }
        }
    }
    return (all / Double(shape.heads * shape.tokens), classToken / Double(shape.heads))
}
