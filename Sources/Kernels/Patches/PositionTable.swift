import Foundation

/// The fixed two-dimensional sine-cosine position table, (grid * grid + 1, dim); row 0, the class token's, is zero.
///
/// The first half of the channels encodes the patch's column, the second its row; each half is [sin, cos] of
/// position * 10000^(-i / (dim / 4)). Where weights were trained on a grid of `trained` patches a side, patch i of another grid lies
/// between theirs, at (i + 1/2) trained / grid - 1/2. In single precision throughout, as in the published checkpoints.
/// Source: He et al., Masked Autoencoders Are Scalable Vision Learners (arXiv 2111.06377), appendix A.1.
package func positionTable(dim: Int, grid: Int, trained: Int? = nil) -> [Float] {
    let frequencies = (0..<dim / 4).map { 1 / powf(10_000, Float($0) / Float(dim / 4)) }
    var table = [Float](repeating: 0, count: dim)
    table.reserveCapacity((grid * grid + 1) * dim)
    let positions = (0..<grid).map { (Float($0) + 0.5) * Float(trained ?? grid) / Float(grid) - 0.5 }
    for row in positions {
        for column in positions {
            for position in [column, row] {
                table += frequencies.map { sinf(position * $0) }
                table += frequencies.map { cosf(position * $0) }
            }
        }
    }
    return table
}
