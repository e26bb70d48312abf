import Base
import Images
import Kernels

// L = G G patches of an image, D channels.

/// The patch tokens of several images, projected to the first three principal components of all of them.
package struct TokenColours: Sendable {
    /// The framed images, as the model sees them.
    package let originals: [Image]
    package let tiling: PatchTiling
    /// The coordinates of each patch along the three axes, for each image (L, 3).
    package let coordinates: [[SIMD3<Double>]]
    /// The fraction of the tokens' variance along each axis.
    package let explained: [Double]

    /// Each image next to its coloured patches: red, green and blue are the first, second and third component, scaled
    /// from the 2nd to the 98th percentile over all images.
    package func sheet(gap: Int = 2) throws -> [Image] {
        let ranges = (0..<3).map { axis in
            let sorted = coordinates.joined().map { $0[axis] }.sorted()
            return (sorted[sorted.count / 50], sorted[sorted.count - 1 - sorted.count / 50])
        }
        return try zip(originals, coordinates).map { original, coordinates in
            let coloured = try original.repainted { row, column, pixel in
                let place = coordinates[tiling.nearest(row: row, column: column, side: original.width)]
                var colour = pixel
                for (axis, range) in ranges.enumerated() {
                    let value = range.1 > range.0 ? (place[axis] - range.0) / (range.1 - range.0) : 0.5
                    colour[axis] = UInt8(255 * max(0, min(1, value)))
                }
                return colour
            }
            return try Image(rows: [[original, coloured]], gap: gap)
        }
    }
}

extension LoadedModel {
    /// The principal components of the patch tokens after encoder block `block`, counted from 1, of all `pictures`
    /// together. Throws `Failure` if there is no such block, the tokens are not finite, or memory is short.
    package borrowing func tokenColours(of pictures: [Picture], block: Int) throws -> TokenColours {
        let configuration = model.configuration
        let (tokens, dim) = (configuration.tokenCount, configuration.dim)
        var (originals, rows) = ([Image](), [Float]())
        try encodeInParts(pictures, block: block) { index, original in
            originals.append(original)
            let start = replica.encoderOutput(block - 1) + (index * tokens + 1) * dim
            rows += UnsafeBufferPointer(start: start, count: (tokens - 1) * dim)
        }
        guard allFinite(rows, count: rows.count),
            let components = PrincipalComponents(rows, dim: dim, components: 3)
        else {
            throw Failure("the tokens of \(file) are not finite", hint: "use an earlier checkpoint")
        }
        let coordinates = originals.indices.map { image in
            (0..<tokens - 1).map { patch in
                rows.withUnsafeBufferPointer { rows in
                    let place = components.project(rows.baseAddress! + (image * (tokens - 1) + patch) * dim)
                    return SIMD3(place[0], place[1], place[2])
                }
            }
        }
        let total = components.totalVariance
        return TokenColours(
            originals: originals, tiling: tiling, coordinates: coordinates,
            explained: components.variances.map { total > 0 ? $0 / total : 0 })
    }
}
