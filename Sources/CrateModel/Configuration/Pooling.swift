import Kernels

/// What of the tokens a classifier or a probe looks at.
package enum Pooling: String, CaseIterable, Codable, Sendable {
    /// The class token.
    case classToken = "class"
    /// The mean over the patches.
    case mean

    /// Writes to `pooled` (D) what is taken of one image's `tokens` (T, D), the class token's first.
    package func pool(_ z: UnsafePointer<Float>, tokens: Int, dim: Int, into pooled: UnsafeMutablePointer<Float>) {
        switch self {
        case .classToken: pooled.update(from: z, count: dim)
        case .mean:
            pooled.update(repeating: 0, count: dim)
            addColumnSums(
                z + dim, sign: 1 / Float(tokens - 1), rows: tokens - 1, columns: dim, stride: dim, to: pooled)
        }
    }
}
