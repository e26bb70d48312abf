import Base
import Foundation
import Images
import Kernels

package struct ShardingOptions: Sendable {
    package var format: SampleFormat
    /// Source images per shard.
    package var shardSize: Int
    /// Seed of the permutation of images; nil keeps the source's order.
    package var shuffle: UInt64?
    /// Larger images are skipped.
    package var pixelLimit = ImageDecoder.pixelLimit
    /// What all jobs may take to decode images.
    package var memory = MemoryBudget()
    /// Whether an unreadable image makes the run fail at its end.
    package var isStrict: Bool
    /// Threads that read and decode.
    package var jobs: Int

    /// `jobs` defaults to the number of available processors.
    package init(
        _ format: SampleFormat, shardSize: Int = 1024, shuffle: UInt64? = nil, isStrict: Bool = false,
        jobs: Int = ProcessInfo.processInfo.activeProcessorCount
    ) {
        self.format = format
        self.shardSize = shardSize
        self.shuffle = shuffle
        self.isStrict = isStrict
        self.jobs = jobs
    }
}

/// Which images go into which shard: shard k has the readable ones of positions k * shardSize ..< (k + 1) * shardSize of the source's
/// order or of its permutation. So a shard is a function of the source and the recipe alone.
struct ShardPlan: Sendable {
    let source: ShardSource
    let recipe: ShardRecipe
    let format: SampleFormat
    private let permutation: KeyedPermutation?

    /// Throws `Failure` if `recipe` is invalid or of another source.
    init(source: ShardSource, recipe: ShardRecipe) throws {
        guard recipe.shardSize > 0 else {
            throw Failure("a shard size of \(recipe.shardSize) is not positive", hint: "choose a size such as 1024")
        }
        guard (1...Image.maximumPixelCount).contains(recipe.pixelLimit) else {
            throw Failure(
                "a limit of \(recipe.pixelLimit) pixels is not in 1...\(Image.maximumPixelCount)",
                hint: "choose one such as \(ImageDecoder.pixelLimit)")
        }
        let own = source.record
        guard own == recipe.source else {
            throw Failure(
                "\(source.path) is not the source of the shards: it has \(own.images) images (checksum \(own.checksum)), "
                    + "the source had \(recipe.source.images) (\(recipe.source.checksum))",
                hint: "name the source as it was, with the same --within, --labels and --classes")
        }
        guard recipe.shuffle == nil || !source.files.contains(where: \.isStreamed) else {
            throw Failure(
                "\(source.path) is compressed and read from front to back, so it cannot be shuffled",
                hint: "decompress it first, or leave --shuffle out: training shuffles samples in any case")
        }
        self.source = source
        self.recipe = recipe
        format = try recipe.format()
        try format.require(source)
        permutation = recipe.shuffle.map { KeyedPermutation(count: source.items.count, seed: $0, epoch: 0) }
    }

    var shardCount: Int { (source.items.count - 1) / recipe.shardSize + 1 }

    func positions(of shard: Int) -> Range<Int> {
        let first = shard * recipe.shardSize
        return first..<first + min(recipe.shardSize, source.items.count - first)
    }

    func item(at position: Int) -> ShardSource.Item { source.items[permutation?[position] ?? position] }

    static let filePrefix = "shard-"
    static func fileName(of shard: Int) -> String { "\(filePrefix)\(zeroPadded(shard, to: 5)).h5" }
}
