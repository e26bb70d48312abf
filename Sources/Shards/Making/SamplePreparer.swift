import Base
import Images

enum PreparedSample: Sendable {
    case sample(bytes: [UInt8], checksum: UInt32, statistics: PixelStatistics)
    case unreadable(reason: String)
}

/// Turns images into samples, on one thread.
struct SamplePreparer: ~Copyable {
    private let format: SampleFormat
    private let pixelLimit: Int
    private let memory: MemoryBudget
    private var resampler: Resampler

    /// Images of up to `pixelLimit` pixels, in what `memory` has.
    init(_ format: SampleFormat, pixelLimit: Int, memory: MemoryBudget) throws {
        self.format = format
        self.pixelLimit = pixelLimit
        self.memory = memory
        resampler = try Resampler()
    }

    /// Reads, decodes and frames an image of `source`, and encodes it.
    ///
    /// The statistics are those of the pixels before JPEG encoding. Throws `Failure` if the source itself cannot be read, or the memory for
    /// an image is not free.
    mutating func prepare(_ item: ShardSource.Item, of source: ShardSource) throws -> PreparedSample {
        var taken = 0
        defer { memory.giveBack(taken) }
        do {
            let (contents, image) = try source.image(of: item, as: format.pixel, pixelLimit: pixelLimit) { header in
                let bytes = header.decodingBytes + encodingBytes(header)
                do {
                    try memory.take(bytes)
                } catch let failure as Failure {
                    // Not left out: which images are in a shard must not depend on the machine.
                    throw MachineFailure(
                        Failure(
                            "\(source.key(of: item)): \(failure.problem)",
                            hint: "free some, or leave such images out by --max-pixels"))
                }
                taken = bytes
            }
            switch format {
            case .patches(let grid):
                let square = try framed(image, side: grid.imageSize)
                let patches = [UInt8](unsafeUninitializedCapacity: grid.byteCount) { patches, initialised in
                    grid.patchify(square.pixels, into: patches.baseAddress!)
                    initialised = grid.byteCount
                }
                return sample(patches, of: square)
            case .jpeg(let side, let quality):
                let square = try framed(image, side: side)
                return sample(try JPEGEncoder.encode(square, quality: quality), of: square)
            case .original: return sample(contents, of: image)
            case .originalJPEG(let quality):
                let isFile = source.raw == nil && ImageDecoder.isJPEG(contents)
                return sample(isFile ? contents : try JPEGEncoder.encode(image, quality: quality), of: image)
            }
        } catch let failure as Failure {
            return .unreadable(reason: failure.problem)
        } catch let broken as MachineFailure {
            throw broken.failure
        }
    }

    /// Memory that framing and encoding an image take at most.
    private func encodingBytes(_ header: ImageHeader) -> Int {
        let side: Int
        switch format {
        case .patches(let grid): side = grid.imageSize
        case .jpeg(let size, _): side = size
        // The file is there.
        case .original: return 0
        // The JPEG library takes up to 6 bytes a pixel for the file.
        case .originalJPEG: return 6 * header.width * header.height + 1 << 20
        }
        let size = format.pixel.bytesPerPixel
        // The rows of the first pass and their tables, rows of the source side by side, and the square itself in its forms.
        return header.height * (max(2, size) * (side + 8) + 32) + 64 * header.width + 4 * size * side * side + 1 << 20
    }

    /// The central square of `image` with its shorter side resized to `side`.
    private mutating func framed(_ image: Image, side: Int) throws -> Image {
        try resampler.resample(image, framing: .shortSide(ofWidth: image.width, height: image.height, to: side))
    }

    private func sample(_ bytes: [UInt8], of image: Image) -> PreparedSample {
        .sample(
            bytes: bytes, checksum: Checksum(of: bytes).value,
            statistics: PixelStatistics(image.pixels, format: image.format))
    }
}
