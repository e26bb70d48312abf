import Base
import Images

enum PreparedSample: Sendable {
    case sample(bytes: [UInt8], checksum: UInt32, statistics: PixelStatistics)
    case unreadable(reason: String)
}

/// Turns images into samples, on one thread.
struct SamplePreparer: ~Copyable {
    private let format: SampleFormat
    private var resampler: Resampler

    init(_ format: SampleFormat) throws {
        self.format = format
        resampler = try Resampler()
    }

    /// Reads, decodes and frames an image of `source`, and encodes it.
    ///
    /// The statistics are those of the pixels before JPEG encoding. Throws `Failure` if the source itself cannot be read.
    mutating func prepare(_ item: ShardSource.Item, of source: ShardSource) throws -> PreparedSample {
        do {
            let contents = try source.contents(of: item)
            let image = try contents.image()
            switch format {
            case .patches(let grid):
                let square = try framed(image, side: grid.imageSize)
                let patches = [UInt8](unsafeUninitializedCapacity: grid.valueCount) { patches, initialised in
                    grid.patchify(square, into: patches.baseAddress!)
                    initialised = grid.valueCount
                }
                return sample(patches, pixels: square)
            case .jpeg(let side, let quality):
                let square = try Image(width: side, height: side, pixels: try framed(image, side: side))
                return sample(try JPEGEncoder.encode(square, quality: quality), pixels: square.pixels)
            case .original(let quality):
                let bytes = try contents.jpegFile ?? JPEGEncoder.encode(image, quality: quality)
                return sample(bytes, pixels: image.pixels)
            }
        } catch let failure as Failure {
            return .unreadable(reason: failure.problem)
        } catch let broken as MachineFailure {
            throw broken.failure
        }
    }

    /// The central square of `image` with its shorter side resized to `side`: (side, side, 3).
    private mutating func framed(_ image: Image, side: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: 3 * side * side) { square, initialised in
            try resampler.resample(
                image.pixels, width: image.width, height: image.height, rowBytes: 3 * image.width,
                framing: .shortSide(ofWidth: image.width, height: image.height, to: side),
                into: square.baseAddress!)
            initialised = 3 * side * side
        }
    }

    private func sample(_ bytes: [UInt8], pixels: [UInt8]) -> PreparedSample {
        .sample(
            bytes: bytes, checksum: bytes.withUnsafeBytes { Checksum(of: $0).value },
            statistics: PixelStatistics(pixels, valueCount: pixels.count))
    }
}
