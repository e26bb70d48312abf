import Base
import Images

/// Pictures of samples of a shard directory, side by side.
package enum ContactSheet {
    /// The side of a picture in pixels.
    package static let tileSide = 96
    private static let gap = 2

    /// Up to `count` samples of `directory`, evenly spaced, row by row in a square on white. `samples` are their numbers.
    ///
    /// Throws `Failure` if one cannot be read.
    package static func image(of directory: inout ShardDirectory, count: Int) throws -> (image: Image, samples: [Int]) {
        let count = min(count, directory.count)
        guard count > 0 else { throw Failure("\(directory.path) holds no samples", hint: "shard some images") }
        let samples = (0..<count).map { $0 * directory.count / count }
        var columns = 1
        while columns * columns < count { columns += 1 }
        var resampler = try Resampler()
        let tiles = try samples.map { sample in
            let picture = try directory.image(sample: sample)
            let framing = Framing.shortSide(ofWidth: picture.width, height: picture.height, to: tileSide)
            return try resampler.resample(picture, framing: framing)
        }
        let rows = stride(from: 0, to: count, by: columns).map { Array(tiles[$0..<min(count, $0 + columns)]) }
        return (try Image(rows: rows, gap: gap), samples)
    }
}
