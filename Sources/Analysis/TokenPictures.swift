import Base
import CrateModel
import Images
import Kernels

// L = G G patches of an image, T = L + 1 tokens, H heads, D channels.

/// The attention of the class token in one image: A[0, 1...] of each head of an encoder block.
package struct AttentionMaps: Sendable {
    /// The framed image, as the model sees it.
    package let original: Image
    package let tiling: PatchTiling
    /// Each head's attention to each patch, row by row, (H, L). The attention to the class token itself is left out, so
    /// a sum is below 1.
    package let heads: [[Float]]

    /// `original` may have any size; each of `heads` has one value per patch of `tiling`.
    package init(original: Image, tiling: PatchTiling, heads: [[Float]]) {
        self.original = original
        self.tiling = tiling
        self.heads = heads
    }

    /// The mean over the heads, (L).
    package var mean: [Float] {
        heads[0].indices.map { patch in heads.reduce(0) { $0 + $1[patch] } / Float(heads.count) }
    }

    /// The smallest set of patches, in order of decreasing attention, that has at least `mass` of all attention to
    /// patches. Ties keep their order.
    package static func mask(_ map: [Float], mass: Double) -> [Bool] {
        let total = map.reduce(0.0) { $0 + Double($1) }
        var (sum, mask) = (0.0, [Bool](repeating: false, count: map.count))
        for patch in map.indices.sorted(by: { map[$0] == map[$1] ? $0 < $1 : map[$0] > map[$1] }) {
            guard sum < mass * total else { break }
            sum += Double(map[patch])
            mask[patch] = true
        }
        return mask
    }
}

extension AttentionMaps {
    /// One row: the original, then the map of each of `heads` (counted from 1; nil: all) and their mean, enlarged
    /// bilinearly and drawn over the image, each scaled from its minimum to its maximum. With `mass`, a second row
    /// shows the image darkened outside the mask that keeps that much of each map.
    ///
    /// Throws `Failure` if there is no such head.
    package func sheet(heads chosen: [Int]? = nil, mass: Double? = nil, gap: Int = 2) throws -> Image {
        if let odd = chosen?.first(where: { !(1...heads.count).contains($0) }) {
            throw Failure("there is no head \(odd)", hint: "choose from 1 to \(heads.count)")
        }
        let maps = (chosen ?? Array(1...heads.count)).map { heads[$0 - 1] } + [mean]
        var rows = [[original] + (try maps.map(overlay))]
        if let mass { rows.append([original] + (try maps.map { try masked(Self.mask($0, mass: mass)) })) }
        return try Image(rows: rows, gap: gap)
    }

    /// A mix of the grey image and the colours of the map.
    private func overlay(_ map: [Float]) throws -> Image {
        let (low, high) = (map.min() ?? 0, map.max() ?? 0)
        return try original.repainted { row, column, pixel in
            let value = high > low ? (enlarged(map, row, column) - low) / (high - low) : 0
            let light = 0.299 * Float(pixel[0]) + 0.587 * Float(pixel[1]) + 0.114 * Float(pixel[2])
            return SIMD3<UInt8>(SIMD3(repeating: 0.4 * light) + 0.6 * evenColour(value))
        }
    }

    private func masked(_ mask: [Bool]) throws -> Image {
        try original.repainted { row, column, pixel in
            mask[tiling.nearest(row: row, column: column, side: original.width)] ? pixel : pixel / 5
        }
    }

    /// The map at the centre of a pixel, interpolated between the centres of patches.
    private func enlarged(_ map: [Float], _ row: Int, _ column: Int) -> Float {
        let grid = tiling.patchesPerSide
        func place(_ pixel: Int) -> (Int, Int, Float) {
            let x = tiling.place(pixel, side: original.width)
            let low = max(0, min(grid - 1, Int(x.rounded(.down))))
            return (low, min(grid - 1, low + 1), max(0, min(1, x - Float(low))))
        }
        let ((top, bottom, down), (left, right, across)) = (place(row), place(column))
        let upper = map[top * grid + left] * (1 - across) + map[top * grid + right] * across
        let lower = map[bottom * grid + left] * (1 - across) + map[bottom * grid + right] * across
        return upper * (1 - down) + lower * down
    }
}

/// The viridis colours, from dark violet over green to yellow: perceptually even, also for the colour-blind. 0...1 to
/// 0...255.
func evenColour(_ value: Float) -> SIMD3<Float> {
    let anchors: [SIMD3<Float>] = [
        [68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37],
    ]
    let place = max(0, min(1, value)) * Float(anchors.count - 1)
    let low = min(anchors.count - 2, Int(place))
    return anchors[low] + (anchors[low + 1] - anchors[low]) * (place - Float(low))
}

extension LoadedModel {
    /// The class token's attention in encoder block `block`, counted from 1, for each of `pictures`, with nothing
    /// hidden.
    ///
    /// Throws `Failure` if there is no such block or memory is short.
    package borrowing func attentionMaps(of pictures: [Picture], block: Int) throws -> [AttentionMaps] {
        let configuration = model.configuration
        var maps: [AttentionMaps] = []
        try encodeInParts(pictures, block: block) { index, original in
            let heads = try (0..<configuration.heads).map { head in
                guard let row = replica.attentionRow(block: block - 1, image: index, head: head, query: 0) else {
                    throw Failure("layer \(block) of \(file) has no attention", hint: "choose another layer")
                }
                try requireFinite("attention maps", row.allSatisfy(\.isFinite))
                return Array(row.dropFirst())
            }
            maps.append(AttentionMaps(original: original, tiling: tiling, heads: heads))
        }
        return maps
    }

    /// Runs the encoder over `pictures`, as many at a time as the replica takes, and calls `body` for each with its
    /// index in the batch and its framed image.
    borrowing func encodeInParts(_ pictures: [Picture], block: Int, _ body: (Int, Image) throws -> Void) throws {
        let configuration = model.configuration
        guard (1...configuration.depth).contains(block) else {
            throw Failure("there is no layer \(block)", hint: "choose from 1 to \(configuration.depth)")
        }
        try forEachBatch(of: pictures) { framed, pictures in
            replica.encode(PatchBatch(patches: framed.patches.pointer, mask: nil, images: pictures.count))
            for (index, picture) in pictures.enumerated() { try body(index, try framed.image(of: picture)) }
        }
    }
}

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
