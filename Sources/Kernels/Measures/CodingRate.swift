import COpenBLAS
import Foundation

// T tokens, P channels per head, K = min(T, P).

/// The size of the scratch buffer of `codingRate`: Z (T, P) and a Gram matrix (K, K).
package func codingRateScratchCount(tokens: Int, headDim: Int) -> Int {
    let side = min(tokens, headDim)
    return tokens * headDim + side * side
}

/// The coding rate of one head's tokens:
///
///     R = 1/2 logdet(I + P / (T eps) Z^T Z), where the rows of Z are the tokens divided by their norm, eps = 0.01
///
/// Z Z^T gives the same result, so the smaller of the two is used, in Double. A zero token contributes nothing.
/// Source: Yu et al., White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129).
///
/// `u` (T, P) starts at the head's first element and has rows `stride` elements apart. `scratch` has
/// `codingRateScratchCount` elements.
package func codingRate(
    _ u: Operand, stride: Int, tokens: Int, headDim: Int, scratch: UnsafeMutablePointer<Double>
) -> Double {
    switch u.format {
    case .float32, .roundedFloat32: loadNormalised(u.floats, stride, tokens, headDim, into: scratch)
    case .bfloat16: loadNormalised(u.elements(BFloat16.self), stride, tokens, headDim, into: scratch)
    }
    let epsilon = 0.01
    let side = min(tokens, headDim)
    let gram = scratch + tokens * headDim
    for row in 0..<side {
        for column in 0..<side { gram[row &* side &+ column] = row == column ? 1 : 0 }
    }
    let isByChannels = headDim < tokens
    cblas_dsyrk(
        CblasRowMajor, CblasUpper, isByChannels ? CblasTrans : CblasNoTrans, blasint(side),
        blasint(max(tokens, headDim)), Double(headDim) / (Double(tokens) * epsilon), scratch, blasint(headDim), 1, gram,
        blasint(side))
    return logDeterminant(gram, side: side) / 2
}

@inline(__always)
private func loadNormalised<Element: OperandElement>(
    _ u: UnsafePointer<Element>, _ stride: Int, _ tokens: Int, _ headDim: Int, into z: UnsafeMutablePointer<Double>
) {
    for token in 0..<tokens {
        let (source, row) = (u + token &* stride, z + token &* headDim)
        var square = 0.0
        for (i, lanes) in Vectors(headDim) {
            let vector = Element.load(source + i, lanes)
            for lane in 0..<min(16, lanes) {
                let value = Double(vector[lane])
                row[i &+ lane] = value
                square += value * value
            }
        }
        let inverse = square > 0 ? 1 / square.squareRoot() : 0
        for channel in 0..<headDim { row[channel] *= inverse }
    }
}

/// The log-determinant of a matrix (side, side), or NaN if it is not positive definite. The upper triangle is
/// overwritten.
private func logDeterminant(_ matrix: UnsafeMutablePointer<Double>, side: Int) -> Double {
    guard factorCholesky(matrix, side: side) else { return .nan }
    return 2 * (0..<side).reduce(0) { $0 + log(matrix[$1 &* side &+ $1]) }
}
