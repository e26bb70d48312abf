import Base
import Images
import Kernels

/// How images are turned into samples.
package enum SampleFormat: Equatable, Sendable {
    /// Decoded images of one size, cut into the patches of a grid.
    case patches(PatchGrid)
    /// Images of one size as JPEG files of a quality of 1...100.
    case jpeg(imageSize: Int, quality: Int)
    /// The source's JPEG files as they are; other images as JPEG files of their size and a quality of 1...100.
    case original(quality: Int)
}

/// How a directory of shards is made: everything, besides what is in the source's files, that its bytes depend on.
///
/// Kept in the index, so that a damaged shard can be made again, and beside the shards while a run is under way.
package struct ShardRecipe: Codable, Equatable, Sendable {
    /// What the images are taken from.
    package struct Source: Codable, Equatable, Sendable {
        /// The kind of source.
        package let kind: ShardSource.Kind
        /// The part of the source that is taken; absent for all of it.
        package let within: String?
        /// Images that it holds, readable or not.
        package let images: Int
        /// CRC-32 over the classes and each image's label, key and, in an archive, size.
        package let checksum: UInt32
    }

    /// How samples are stored.
    package let encoding: ShardIndex.Encoding
    /// The side of the stored images in pixels; 0 where images keep their size.
    package let imageSize: Int
    /// The side of a patch in pixels; absent for JPEG.
    package let patchSize: Int?
    /// The quality of the JPEG files that are encoded; absent for patches.
    package let quality: Int?
    /// Source images of a shard. A shard has fewer samples where some of them could not be read.
    package let shardSize: Int
    /// The key of the permutation in which images go into shards; absent where they keep the source's order.
    package let shuffle: UInt64?
    /// What the images are taken from.
    package let source: Source

    /// The recipe that makes shards of `shardSize` images of `source` in `format`, mixed by `shuffle` if given.
    package init(_ format: SampleFormat, shardSize: Int, shuffle: UInt64?, source: Source) {
        switch format {
        case .patches(let grid):
            (encoding, imageSize, patchSize, quality) = (.patches, grid.imageSize, grid.patchSize, nil)
        case .jpeg(let imageSize, let quality):
            (encoding, self.imageSize, patchSize, self.quality) = (.jpeg, imageSize, nil, quality)
        case .original(let quality):
            (encoding, imageSize, patchSize, self.quality) = (.jpeg, 0, nil, quality)
        }
        self.shardSize = shardSize
        self.shuffle = shuffle
        self.source = source
    }

    /// How images are turned into samples. Throws `Failure` when the sizes, which may come from a file, cannot be.
    package func format() throws -> SampleFormat {
        switch encoding {
        case .patches:
            return .patches(try PatchGrid(imageSize: imageSize, patchSize: patchSize ?? 0))
        case .jpeg:
            let quality = quality ?? 0
            guard (1...100).contains(quality), (0...PatchLimits.imageSize).contains(imageSize) else {
                throw Failure(
                    "JPEG files of \(imageSize) pixels and quality \(quality) cannot be made",
                    hint: "choose --quality in 1...100 and --image-size in 1...\(PatchLimits.imageSize)")
            }
            return imageSize == 0 ? .original(quality: quality) : .jpeg(imageSize: imageSize, quality: quality)
        }
    }
}
