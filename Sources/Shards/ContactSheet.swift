import Buffers
import Files
import Images
import Kernels

/// Pictures of samples of a shard directory, side by side.
public enum ContactSheet {
    /// The side of a picture in pixels.
    public static let tileSide = 96
    private static let margin = 2

    /// `count` samples of `directory`, as many as there are at most, evenly spread over all of them, row by row in a square
    /// of white ground. `samples` are their numbers.
    ///
    /// Throws `Failure` when one cannot be read.
    public static func image(of directory: inout ShardDirectory, count: Int) throws -> (image: Image, samples: [Int]) {
        let count = min(count, directory.count)
        guard count > 0 else { throw Failure("\(directory.path) holds no samples", hint: "shard some images") }
        let samples = (0..<count).map { $0 * directory.count / count }
        var columns = 1
        while columns * columns < count { columns += 1 }
        let rows = (count + columns - 1) / columns
        let step = tileSide + margin
        let (width, height) = (columns * step + margin, rows * step + margin)
        var pixels = [UInt8](repeating: 255, count: width * height * 3)
        var resampler = try Resampler()
        var tile = [UInt8](repeating: 0, count: tileSide * tileSide * 3)
        for (position, sample) in samples.enumerated() {
            let picture = try directory.image(sample: sample)
            try resampler.resample(
                picture.pixels, width: picture.width, height: picture.height, rowBytes: 3 * picture.width,
                framing: .shortSide(ofWidth: picture.width, height: picture.height, to: tileSide), into: &tile)
            let first = (margin + position / columns * step) * width + margin + position % columns * step
            for row in 0..<tileSide {
                let target = 3 * (first + row * width)
                pixels.replaceSubrange(
                    target..<target + 3 * tileSide, with: tile[3 * row * tileSide..<3 * (row + 1) * tileSide])
            }
        }
        return (try Image(width: width, height: height, pixels: pixels), samples)
    }
}
