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
            let image = try source.image(contents)
            switch format {
            case .patches(let grid):
                let square = try framed(image, side: grid.imageSize)
                let patches = [UInt8](unsafeUninitializedCapacity: grid.valueCount) { patches, initialised in
                    grid.patchify(square.pixels, into: patches.baseAddress!)
                    initialised = grid.valueCount
                }
                return sample(patches, of: square)
            case .jpeg(let side, let quality):
                let square = try framed(image, side: side)
                return sample(try JPEGEncoder.encode(square, quality: quality), of: square)
            case .original(let quality):
                let isFile = source.kind != .cifar10 && ImageDecoder.isJPEG(contents)
                return sample(isFile ? contents : try JPEGEncoder.encode(image, quality: quality), of: image)
            }
        } catch let failure as Failure {
            return .unreadable(reason: failure.problem)
        } catch let broken as MachineFailure {
            throw broken.failure
        }
    }

    /// The central square of `image` with its shorter side resized to `side`.
    private mutating func framed(_ image: Image, side: Int) throws -> Image {
        try resampler.resample(image, framing: .shortSide(ofWidth: image.width, height: image.height, to: side))
    }

    private func sample(_ bytes: [UInt8], of image: Image) -> PreparedSample {
        .sample(
            bytes: bytes, checksum: Checksum(of: bytes).value,
            statistics: PixelStatistics(image.pixels, valueCount: image.pixels.count))
    }
}
