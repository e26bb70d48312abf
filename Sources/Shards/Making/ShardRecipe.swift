import Base
import Images
import Kernels

package enum SampleFormat: Equatable, Sendable {
    /// Patches of decoded images of one size.
    case patches(PatchGrid)
    /// JPEG files of one size and a quality of 1...100.
    case jpeg(imageSize: Int, quality: Int)
    /// The source's image files unchanged, of any kind, to be decoded to this format.
    case original(PixelFormat)
    /// Of earlier versions: the source's JPEG files unchanged; other images as JPEG files of their size and a quality of 1...100.
    case originalJPEG(quality: Int)

    /// Nil for files.
    var grid: PatchGrid? { if case .patches(let grid) = self { grid } else { nil } }

    /// What images are decoded to.
    package var pixel: PixelFormat {
        switch self {
        case .patches(let grid): grid.pixel
        case .original(let pixel): pixel
        case .jpeg, .originalJPEG: .rgb
        }
    }
}

extension SampleFormat {
    /// Throws `Failure` if no image of `source` can become a sample.
    func require(_ source: ShardSource) throws {
        guard let raw = source.raw else { return }
        if case .original = self {
            throw Failure(
                "\(source.path) holds values and no image files, which --keep-original keeps",
                hint: "leave --keep-original out: patches have the same values")
        }
        try raw.require(pixel)
    }
}

/// How a directory of shards is made: everything, except the contents of the source's files, that its bytes depend on.
///
/// Stored in the index, so that a corrupt shard can be made again, and next to the shards while a run is in progress.
package struct ShardRecipe: Codable, Equatable, Sendable {
    package struct Source: Codable, Equatable, Sendable {
        package let kind: ShardSource.Kind
        /// The selected part of the source; absent for all of it.
        package let within: String?
        /// Number of images, readable or not.
        @Count package private(set) var images: Int
        /// CRC-32 over the classes and each image's label, key and, in an archive, size.
        package let checksum: UInt32
    }

    package let encoding: ShardIndex.Encoding
    /// The side of the stored images in pixels; 0 where images keep their size.
    package let imageSize: Int
    /// The side of a patch in pixels; absent for JPEG.
    package let patchSize: Int?
    /// The quality of the JPEG files that are encoded; absent for patches, and where image files of any kind are kept.
    package let quality: Int?
    /// The channels that images are decoded to; absent for 3.
    package let channels: Int?
    /// The bits of a value that images are decoded to; absent for 8.
    package let depth: Int?
    /// Source images per shard. A shard has fewer samples if some cannot be read.
    @Count package private(set) var shardSize: Int
    /// The seed of the permutation of images; absent if they keep the source's order.
    package let shuffle: UInt64?
    /// The most pixels of an image of the source; absent if it is `ImageDecoder.pixelLimit`.
    package let maxPixels: Int?
    package let source: Source

    /// The most pixels of an image, of the source or stored.
    package var pixelLimit: Int { maxPixels ?? ImageDecoder.pixelLimit }

    /// Whether samples are the source's files, of any kind.
    package var keepsFiles: Bool { encoding == .jpeg && imageSize == 0 && quality == nil }

    /// What images are decoded to. Throws `Failure` if the numbers, which may come from a file, are invalid.
    package func pixelFormat() throws -> PixelFormat {
        try PixelFormat(channels: channels ?? PixelFormat.rgb.channels, depth: depth ?? PixelFormat.rgb.depth)
    }

    /// Shards of images of `source`, made with `options`.
    init(_ options: ShardingOptions, source: Source) {
        switch options.format {
        case .patches(let grid):
            (encoding, imageSize, patchSize, quality) = (.patches, grid.imageSize, grid.patchSize, nil)
        case .jpeg(let imageSize, let quality):
            (encoding, self.imageSize, patchSize, self.quality) = (.jpeg, imageSize, nil, quality)
        case .original:
            (encoding, imageSize, patchSize, quality) = (.jpeg, 0, nil, nil)
        case .originalJPEG(let quality):
            (encoding, imageSize, patchSize, self.quality) = (.jpeg, 0, nil, quality)
        }
        let pixel = options.format.pixel
        channels = pixel.channels == PixelFormat.rgb.channels ? nil : pixel.channels
        depth = pixel.depth == PixelFormat.rgb.depth ? nil : pixel.depth
        shardSize = options.shardSize
        shuffle = options.shuffle
        maxPixels = options.pixelLimit == ImageDecoder.pixelLimit ? nil : options.pixelLimit
        self.source = source
    }

    /// Throws `Failure` if the sizes, which may come from a file, are invalid.
    func format() throws -> SampleFormat {
        let pixel = try pixelFormat()
        switch encoding {
        case .patches:
            return .patches(try PatchGrid(imageSize: imageSize, patchSize: patchSize ?? 0, pixel: pixel))
        case .jpeg where keepsFiles: return .original(pixel)
        case .jpeg:
            guard pixel == .rgb else {
                throw Failure(
                    "JPEG files have 3 channels of 8 bits, not \(pixel)",
                    hint: "choose --encoding patches or --keep-original, or leave --channels and --depth out")
            }
            let quality = quality ?? 0
            guard (1...100).contains(quality), (0...PatchLimits.imageSize).contains(imageSize) else {
                throw Failure(
                    "JPEG files of \(imageSize) pixels and quality \(quality) cannot be made",
                    hint: "choose --quality in 1...100 and --image-size in 1...\(PatchLimits.imageSize)")
            }
            return imageSize == 0 ? .originalJPEG(quality: quality) : .jpeg(imageSize: imageSize, quality: quality)
        }
    }
}
