import Base
import Images

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
        let side = original.width
        var pixels = original.pixels
        for row in 0..<side {
            for column in 0..<side {
                let value = high > low ? (enlarged(map, row, column) - low) / (high - low) : 0
                let (colour, at) = (evenColour(value), 3 * (row * side + column))
                let light = 0.299 * Float(pixels[at]) + 0.587 * Float(pixels[at + 1]) + 0.114 * Float(pixels[at + 2])
                for channel in 0..<3 { pixels[at + channel] = UInt8(0.4 * light + 0.6 * colour[channel]) }
            }
        }
        return try Image(width: side, height: side, pixels: pixels)
    }

    private func masked(_ mask: [Bool]) throws -> Image {
        let side = original.width
        var pixels = original.pixels
        for row in 0..<side {
            for column in 0..<side where !mask[tiling.nearest(row: row, column: column, side: side)] {
                for channel in 0..<3 { pixels[3 * (row * side + column) + channel] /= 5 }
            }
        }
        return try Image(width: side, height: side, pixels: pixels)
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
