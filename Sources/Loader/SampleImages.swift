import Base
import Images
import Shards

/// Samples of a shard directory as images in memory, one at a time, independent of their encoding.
struct SampleImages: ~Copyable {
    /// Columns of the last image.
    private(set) var width = 0
    /// Rows of the last image.
    private(set) var height = 0
    /// Class of the last image, -1 if unknown.
    private(set) var label = -1
    /// Bytes of the last image's pixels in (row, column, channel) order.
    var pixels: UnsafePointer<UInt8> { isDecoders ? decoder.pixels : UnsafePointer(image.pointer) }
    let format: PixelFormat

    private(set) var directory: ShardDirectory
    /// Nil for image files.
    private let grid: PatchGrid?
    /// Whether the last image is where the JPEG decoder has left it.
    private var isDecoders = false
    private var stored: OwnedBuffer<UInt8>  // one sample as stored
    private var image: OwnedBuffer<UInt8>  // one sample, (S, S, C), of patches or of a file of another kind than JPEG
    private var decoder: JPEGDecoder
}

extension SampleImages {
    /// Throws `Failure` if the directory is corrupt, empty, or of another patch size.
    init(_ settings: LoaderSettings) throws {
        let path = settings.path
        let directory = try ShardDirectory(path: path, onCorruption: settings.onCorruption)
        guard directory.count > 0 else { throw Failure("\(path) holds no samples", hint: "shard some images") }
        let grid = directory.index.encoding == .patches ? try directory.index.grid() : nil
        if let grid, grid.patchSize != settings.patchSize {
            throw Failure(
                "\(path) holds patches of \(grid.patchSize) pixels, the model takes \(settings.patchSize)",
                hint: "shard with --patch-size \(settings.patchSize), or pretrain with --patch-size \(grid.patchSize)")
        }
        let channels = directory.index.pixelFormat.channels
        guard channels == settings.normalisation.channels else {
            throw Failure(
                "\(path) has \(channels) channels, the model takes \(settings.normalisation.channels)",
                hint: "give shards of as many, or adapt the weights: crate import --channels \(channels)")
        }
        let byteCount = grid?.byteCount ?? 0
        self.init(
            format: directory.index.pixelFormat, directory: directory, grid: grid,
            stored: try OwnedBuffer(count: byteCount), image: try OwnedBuffer(count: byteCount),
            decoder: try JPEGDecoder(pixelLimit: directory.index.pixelLimit))
    }

    /// Reads sample `sample`; returns the failure if it is corrupt.
    ///
    /// Throws if the fault is not the sample's.
    mutating func read(sample: Int) throws -> Failure? {
        do {
            let (shard, row) = try directory.reader(of: sample)
            label = shard.label(sample: row)
            try load(row, of: shard)
            return nil
        } catch let damage as Failure {
            return damage
        }
    }

    /// Throws `Failure` if the sample is corrupt, and `MachineFailure` if memory is short.
    private mutating func load(_ row: Int, of shard: ShardReader) throws {
        let count = shard.byteCount(sample: row)
        if stored.count < count {
            do {
                stored = try OwnedBuffer(count: count)
            } catch let shortage as Failure {
                throw MachineFailure(shortage)
            }
        }
        try shard.read(sample: row, into: stored.pointer)
        if let grid {
            grid.unpatchify(stored.pointer, into: image.pointer)
            (width, height) = (grid.imageSize, grid.imageSize)
            return
        }
        do {
            try decode(UnsafeRawBufferPointer(start: stored.pointer, count: count))
        } catch let damage as Failure {
            throw Failure("sample \(row) of \(shard.path) is no image: \(damage.problem)", hint: restoreHint)
        }
        let side = directory.index.imageSize
        guard side == 0 || (width == side && height == side) else {
            throw Failure(
                "sample \(row) of \(shard.path) has \(width) x \(height) pixels and should have \(side) x \(side)",
                hint: restoreHint)
        }
    }

    /// Decodes an image file: a JPEG without allocating, others as they come.
    private mutating func decode(_ file: UnsafeRawBufferPointer) throws {
        isDecoders = format == .rgb && ImageDecoder.isJPEG(file)
        guard !isDecoders else {
            (width, height) = try decoder.decode(file)
            return
        }
        let decoded = try ImageDecoder.decode(
            Array(file), as: format, pixelLimit: directory.index.pixelLimit, reserve: ImageDecoder.requireMemory)
        do {
            if image.count < decoded.pixels.count { image = try OwnedBuffer(count: decoded.pixels.count) }
        } catch let shortage as Failure {
            throw MachineFailure(shortage)
        }
        image.pointer.update(from: decoded.pixels, count: decoded.pixels.count)
        (width, height) = (decoded.width, decoded.height)
    }
}
