import Kernels

/// Which tokens a classifier or a probe uses.
package enum Pooling: String, CaseIterable, Codable, Sendable {
    case classToken = "class"
    /// The mean over the patches.
    case mean

    /// Writes to `pooled` (D) the pooled `tokens` (T, D) of one image; the class token comes first.
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
