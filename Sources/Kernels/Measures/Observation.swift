// What is counted in the state of a pass. N images, T tokens, H heads; E as in SubspaceAttention.swift.

/// How many of `count` elements are not positive. Of the output of a ReLU: how many are zero.
package func countOfNonPositive(_ x: UnsafePointer<Float>, count: Int) -> Int {
    var positive = SIMD16<Int32>.zero
    for (i, lanes) in Vectors(count) {
        positive &+= SIMD16<Int32>.zero.replacing(with: 1, where: load(x + i, lanes) .> Vector.zero)
    }
    return count - Int(positive.wrappedSum())
}

/// The mean entropies, in nats, of one image's attention A: over all heads and queries, and of the class token's queries alone.
///
/// probabilities: A of the image, (H, E, E), rows and columns behind T ignored.
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
