import Files
import Foundation
import Images

/// The job of turning a folder of images into a directory of shards, with nothing half-written: after a failure
/// there is no index, and the shards of this run are removed.
public struct Sharding {
    /// What a run did.
    public struct Summary: Equatable, Sendable {
        /// Samples written.
        public let images: Int
        /// Classes of the source.
        public let classes: Int
        /// Shard files written.
        public let shards: Int
        /// Files left out because they could not be read, listed in `skippedFileName`.
        public let skipped: Int
        /// Bytes of all shard files.
        public let bytes: Int
    }

    /// The file in the output directory that lists what could not be read: path, tab, reason.
    public static let skippedFileName = "skipped.txt"

    private let source: ShardSource
    private let output: OutputDirectory
    private let grid: PatchGrid
    private let shardSize: Int
    private let isStrict: Bool
    private var finished: [ShardIndex.Shard] = []
    private var statistics = PixelStatistics()
    private var skipped: [(key: String, reason: String)] = []

    /// Writes the images of `source`, in its order, to the new or empty directory `output`: shorter side resized to
    /// the grid's image size, central square, patches; `shardSize` samples a file.
    ///
    /// Files that cannot be read are left out and listed in `skipped.txt`; if `isStrict`, one of them makes the run
    /// fail at its end, with the list left in place. `progress` is called after each file with the number of files
    /// done and of all files. Throws `Failure` when the source, the output or the sizes are unusable, when every
    /// file is unreadable, or when writing fails.
    public static func run(
        source: String, output: String, grid: PatchGrid, shardSize: Int, isStrict: Bool,
        progress: (Int, Int) -> Void
    ) throws -> Summary {
        guard shardSize > 0 else {
            throw Failure("a shard size of \(shardSize) is not positive", hint: "choose a size such as 1024")
        }
        let images = try ShardSource(source)
        var job = Sharding(
            source: images, output: try OutputDirectory(output, outside: source), grid: grid, shardSize: shardSize,
            isStrict: isStrict)
        do {
            try job.writeShards(progress: progress)
            return try job.conclude()
        } catch {
            job.removeShards()
            throw error
        }
    }

    private init(source: ShardSource, output: OutputDirectory, grid: PatchGrid, shardSize: Int, isStrict: Bool) {
        self.source = source
        self.output = output
        self.grid = grid
        self.shardSize = shardSize
        self.isStrict = isStrict
    }

    private mutating func writeShards(progress: (Int, Int) -> Void) throws {
        let preparer = try SamplePreparer(source: source, grid: grid)
        var done = 0
        var batch: Range<Int> = 0..<0
        var prepared: [PreparedSample] = []
        while done < source.items.count {
            var writer: ShardWriter?
            // Fills one shard; a batch may go on into the next.
            while done < source.items.count && !(writer?.isFull ?? false) {
                if done == batch.upperBound {
                    batch = done..<min(done + preparer.batchSize, source.items.count)
                    prepared = preparer.prepare(batch)
                }
                let position = done - batch.lowerBound
                let item = source.items[done]
                switch prepared[position] {
                case .unreadable(let reason):
                    skipped.append((source.key(of: item), reason))
                case .sample(let checksum, let sampleStatistics):
                    if writer == nil { writer = try startShard() }
                    try writer?.append(
                        patches: preparer.patches(at: position), checksum: checksum, label: item.label,
                        key: source.key(of: item))
                    statistics.add(sampleStatistics)
                }
                done += 1
                progress(done, source.items.count)
            }
            if let writer { finished.append(try writer.finish()) }
        }
    }

    private func startShard() throws -> ShardWriter {
        let digits = String(finished.count)
        let name = "shard-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".h5"
        return try ShardWriter(path: output.file(name), grid: grid, capacity: shardSize)
    }

    private func conclude() throws -> Summary {
        if !skipped.isEmpty { try writeSkipped() }
        guard !finished.isEmpty else {
            throw Failure(
                "none of the \(skipped.count) files of \(source.path) is a readable image",
                hint: "see \(output.file(Sharding.skippedFileName)) for the reasons")
        }
        guard !isStrict || skipped.isEmpty else {
            throw Failure(
                "\(skipped.count) of \(source.items.count) files of \(source.path) cannot be read",
                hint: "see \(output.file(Sharding.skippedFileName)), mend or remove them, or leave --strict out")
        }
        let index = ShardIndex(
            grid: grid, classes: source.classes, mean: statistics.mean, std: statistics.deviation, shards: finished)
        try index.write(directory: output.path)
        return Summary(
            images: index.total, classes: source.classes.count, shards: finished.count, skipped: skipped.count,
            bytes: finished.reduce(0) { $0 + $1.bytes })
    }

    private func writeSkipped() throws {
        var text = ""
        for (key, reason) in skipped {
            // A line is a file, whatever its name.
            text += key.map { $0.isNewline || $0 == "\t" ? "?" : String($0) }.joined() + "\t" + reason + "\n"
        }
        try DurableFile.write([UInt8](text.utf8), to: output.file(Sharding.skippedFileName))
    }

    private func removeShards() {
        for shard in finished { unlink(output.file(shard.file)) }
        output.remove()
    }
}
