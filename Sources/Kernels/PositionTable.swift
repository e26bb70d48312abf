import Foundation

/// The fixed two-dimensional sine-cosine position table, (grid * grid + 1, dim); row 0, the class token's, is zero.
///
/// The first half of the channels encodes the patch's column, the second its row; each half is [sin, cos] of
/// position * 10000^(-i / (dim / 4)). In single precision throughout, as in the published checkpoints.
/// Source: He et al., Masked Autoencoders Are Scalable Vision Learners (arXiv 2111.06377), appendix A.1.
public func positionTable(dim: Int, grid: Int) -> [Float] {
    let frequencies = (0..<dim / 4).map { 1 / powf(10_000, Float($0) / Float(dim / 4)) }
    var table = [Float](repeating: 0, count: dim)
    table.reserveCapacity((grid * grid + 1) * dim)
    for row in 0..<grid {
        for column in 0..<grid {
            for position in [Float(column), Float(row)] {
                table += frequencies.map { sinf(position * $0) }
                table += frequencies.map { cosf(position * $0) }
            }
        }
    }
    return table
}
