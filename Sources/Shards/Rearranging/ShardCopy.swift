import Base
import Foundation
import Images

/// Writes samples of other shards, as they are, to a new directory of shards. Its index comes last. All files are
/// removed again unless `keep` is called.
struct ShardCopy: ~Copyable {
    /// Most samples of a shard where the shards that are read do not say how many they have.
    private static let largestShard = 1 << 20

    private let directory: OutputDirectory
    /// Of the shards that the samples are like.
    private let index: ShardIndex
    private let shardSize: Int
    private var writer: ShardWriter?
    private var shards: [ShardIndex.Shard] = []
    private var statistics = PixelStatistics()
    private var isKept = false

    /// A copy in the directory `output`, new or empty and outside of `inputs`, of samples like those of `index`, and as many in a shard.
    ///
    /// Throws `Failure` if the directory cannot be used, or if an index without a recipe cannot describe the samples.
    init(to output: String, outside inputs: [String], like index: ShardIndex) throws {
        guard index.imageSize > 0 || index.pixelLimit <= ImageDecoder.pixelLimit else {
            throw Failure(
                "the shards were made with --max-pixels \(index.pixelLimit), which only their source can say",
                hint: "shard the source again, as parts with --within or with --max-pixels \(ImageDecoder.pixelLimit)")
        }
        let directory = try OutputDirectory(output)
        do {
            for input in inputs { _ = try OutputDirectory(output, outside: input) }
        } catch {
            directory.remove()
            throw error
        }
        self.directory = directory
        self.index = index
        let largest = index.shards.map(\.count).max() ?? 1
        shardSize = max(1, min(index.recipe?.shardSize ?? largest, Self.largestShard))
    }

    deinit {
        guard !isKept else { return }
        // The shard that is being written is removed by its writer, but later than the directory.
        DurableFile.removePartials(of: ShardPlan.filePrefix, in: directory.path, olderThan: 0)
        for name in [ShardIndex.fileName] + shards.map(\.file) { unlink(directory.file(name)) }
        directory.remove()
    }

    /// Appends a sample. Throws `Failure` if it cannot be written.
    mutating func append(_ sample: [UInt8], label: Int, key: String) throws {
        if writer == nil {
            let name = ShardPlan.fileName(of: shards.count)
            let grid = index.encoding == .patches ? try index.grid() : nil
            writer = try ShardWriter(path: directory.file(name), grid: grid, capacity: shardSize)
        }
        try writer?.append(sample, checksum: Checksum(of: sample).value, label: label, key: key)
        if index.encoding == .patches { statistics.add(PixelStatistics(sample, format: index.pixelFormat)) }
        if writer?.count == shardSize { try finishShard() }
    }

    /// Completes the last shard. Throws `Failure` if it cannot be written.
    mutating func finishShard() throws {
        guard let complete = writer.take() else { return }
        shards.append(try complete.finish())
    }

    /// Writes the index when all shards are complete, and returns it. `mean` and `std` are taken for JPEG files; of patches they are computed.
    ///
    /// Throws `Failure` if it cannot be written.
    mutating func conclude(classes: [String], mean: [Double], std: [Double]) throws -> ShardIndex {
        try finishShard()
        let (isExact, format) = (index.encoding == .patches, index.pixelFormat)
        let written = ShardIndex(
            copiedFrom: index, classes: classes, mean: isExact ? statistics.mean(format) : mean,
            std: isExact ? statistics.deviation(format) : std, shards: shards)
        try written.write(directory: directory.path)
        return written
    }

    /// Lets the files stay.
    mutating func keep() { isKept = true }
}

extension ShardIndex {
    /// Calls `body` with each sample of the shards in `directory`, in order: the open shard, the sample's row in it, and its key.
    ///
    /// Throws `Failure` if a shard cannot be read, and what `body` throws.
    func forEachSample(
        in directory: String, _ body: (_ reader: ShardReader, _ row: Int, _ key: String) throws -> Void
    ) throws {
        for shard in shards.indices {
            let reader = try ShardReader(directory: directory, shard: shard, index: self)
            for (row, key) in try reader.keys().enumerated() { try body(reader, row, key) }
        }
    }
}
