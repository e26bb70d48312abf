import Images

/// The anomaly maps of sound images: what a model usually gets wrong at a place, such as at an edge.
package struct UsualErrors: Sendable {
    /// Sound images that another one is compared with.
    private static let neighbours = 16
    /// Added to a deviation, in multiples of an image's mean error, since 16 images may agree by chance.
    private static let leastDeviation: Float = 0.1
    private var entries: [(thumbnail: [Float], values: [Float])] = []

    package init() {}

    /// `map` is of a sound image, all of one size.
    package mutating func add(_ map: AnomalyMap) { entries.append((Self.thumbnail(of: map.original), map.values)) }

    /// (value - mean) / (deviation + 0.1) at each pixel, with mean and deviation over the 16 sound images that look most alike, or all if
    /// there are fewer; as it is without any.
    package func standardised(_ map: AnomalyMap) -> AnomalyMap {
        let thumbnail = Self.thumbnail(of: map.original)
        let distances = entries.map { Self.distance($0.thumbnail, thumbnail) }
        // Of equal distances the first.
        let nearest = entries.indices.sorted { (distances[$0], $0) < (distances[$1], $1) }.prefix(Self.neighbours)
        guard !nearest.isEmpty else { return map }
        var (sums, squares) = (
            [Double](repeating: 0, count: map.values.count), [Double](repeating: 0, count: map.values.count)
        )
        for index in nearest {
            for (pixel, value) in entries[index].values.enumerated() {
                sums[pixel] += Double(value)
                squares[pixel] += Double(value) * Double(value)
            }
        }
        let count = Double(nearest.count)
        let values = map.values.indices.map { pixel in
            let mean = sums[pixel] / count
            let deviation = max(0, squares[pixel] / count - mean * mean).squareRoot()
            return (map.values[pixel] - Float(mean)) / (Float(deviation) + Self.leastDeviation)
        }
        return AnomalyMap(original: map.original, values: values)
    }

    /// The sums of 8 x 8 blocks of an image, for each colour.
    private static func thumbnail(of image: Image) -> [Float] {
        let side = image.width
        var sums = [Float](repeating: 0, count: 8 * 8 * 3)
        for index in 0..<side * side {
            let block = index / side * 8 / side * 8 + index % side * 8 / side
            for channel in 0..<3 { sums[3 * block + channel] += Float(image.pixels[3 * index + channel]) }
        }
        return sums
    }

    private static func distance(_ first: [Float], _ second: [Float]) -> Float {
        zip(first, second).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
}
