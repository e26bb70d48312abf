import Base
import Foundation

/// Turns a source of images into a directory of shards: `begin`, `makeShards` in one or more parts by one or more processes, and
/// `conclude`. A directory without an index is incomplete; an interrupted job continues when it is run again.
package struct Sharding: Sendable {
    package struct Summary: Equatable, Sendable {
        /// Samples written.
        package let images: Int
        package let classes: Int
        /// Shard files written.
        package let shards: Int
        /// Images that could not be read, listed in `skippedFileName`.
        package let skipped: Int
        /// Bytes of all shard files.
        package let bytes: Int
    }

    /// Lists unreadable images in the output directory: key, tab, reason.
    package static let skippedFileName = "skipped.txt"

    private let plan: ShardPlan
    /// The source's names that are easily taken for one another.
    package var unicodeTwins: UnicodeTwins { plan.source.unicodeTwins }
    /// See `ShardSource.respelled`.
    package var respelled: UnicodeTwins { plan.source.respelled }
    /// What of the source is not taken.
    package var passedOver: PassedOver { plan.source.passedOver }
    private let output: String
    private let options: ShardingOptions
    private let unfinished: UnfinishedRun

    /// Throws `Failure` if the options are invalid. `output` must be new or empty.
    package init(source: ShardSource, output: String, options: ShardingOptions) throws {
        guard options.jobs > 0 else {
            throw Failure("\(options.jobs) jobs are none", hint: "choose a number such as that of the cores")
        }
        plan = try ShardPlan(source: source, recipe: ShardRecipe(options, source: source.record))
        self.output = output
        self.options = options
        unfinished = UnfinishedRun(in: output)
    }

    /// The whole job in one process.
    @discardableResult
    package static func run(
        source: ShardSource, output: String, options: ShardingOptions, progress: (ShardingProgress) -> Void = { _ in }
    ) throws -> Summary {
        let job = try Sharding(source: source, output: output, options: options)
        defer { job.unfinished.leave() }
        if try job.begin() { try job.makeShards(progress: progress) }
        return try job.conclude()
    }

    /// Creates the output directory, or accepts one in which the same job was begun.
    ///
    /// False if the job was already concluded. Throws `Failure` if the directory cannot be used, holds anything else, another job was begun
    /// in it, or its shards have been corrupted since.
    package func begin() throws -> Bool {
        guard try complete() == nil else { return false }
        let directory = try OutputDirectory(output, outside: plan.source.path) { unfinished.isOwn(entries: $0) }
        do {
            try unfinished.begin(plan.recipe)
        } catch {
            directory.remove()
            throw error
        }
        return true
    }

    /// The index if the job was already concluded. Throws `Failure` if shards have been corrupted since.
    private func complete() throws -> ShardIndex? {
        guard let index = try? ShardIndex.read(directory: output), index.recipe == plan.recipe else { return nil }
        do {
            return try ShardIndex.load(directory: output)
        } catch let failure as Failure {
            throw Failure(
                failure.problem, hint: "make it again: crate verify \(output) --repair --source \(plan.source.path)")
        }
    }

    /// Makes every `parts`-th shard from `part` on, except those that an earlier run has completed.
    ///
    /// Returns what was made and how many shards were kept. Throws `Failure` if the job was not begun or a shard cannot be written;
    /// completed shards stay for another run.
    @discardableResult
    package func makeShards(
        part: Int = 0, of parts: Int = 1, progress: (ShardingProgress) -> Void = { _ in }
    ) throws -> (images: Int, keptShards: Int) {
        try unfinished.join(plan.recipe)
        let own = Array(stride(from: part, to: plan.shardCount, by: parts))
        let isDone = concurrentMap(own, jobs: options.jobs) { isInGoodOrder($0) }
        let pending = zip(own, isDone).filter { !$0.1 }.map(\.0)
        let pipeline = ShardPipeline(
            plan, shards: pending, directory: output, jobs: options.jobs, memory: options.memory
        ) {
            [unfinished] in
            try unfinished.note($1, of: $0)
        }
        try pipeline.run(report: progress)
        return (pending.reduce(0) { $0 + plan.positions(of: $1).count }, own.count - pending.count)
    }

    private func isInGoodOrder(_ shard: Int) -> Bool {
        guard let record = record(of: shard) else { return false }
        guard let file = record.file else { return true }
        return (try? Checksum.ofFile(file.path(in: output))).map { $0 == (file.bytes, file.checksum) } ?? false
    }

    /// The record of a shard that is completed and has its full size.
    private func record(of shard: Int) -> ShardRecord? {
        guard let record = unfinished.record(of: shard, count: plan.positions(of: shard).count) else { return nil }
        if let file = record.file, (try? file.checkFile(directory: output)) == nil { return nil }
        return record
    }

    /// Writes the list of skipped images and the index when all shards are made.
    ///
    /// Throws `Failure` if no image could be read, or in strict mode if any could not; then the list stays and the shards are removed.
    package func conclude() throws -> Summary {
        if let index = try complete() {
            try unfinished.remove()
            return summary(index)
        }
        var record = ShardRecord()
        var shards: [ShardIndex.Shard] = []
        for shard in 0..<plan.shardCount {
            guard let done = self.record(of: shard) else {
                throw Failure("\(output) lacks \(ShardPlan.fileName(of: shard))", hint: "start the same command again")
            }
            if let file = done.file { shards.append(file) }
            record.statistics.add(done.statistics)
            record.skipped += done.skipped
        }
        if !record.skipped.isEmpty { try writeSkipped(record.skipped) }
        do {
            try requireSamples(skipped: record.skipped.count)
        } catch {
            for shard in shards { unlink(shard.path(in: output)) }
            try unfinished.remove()
            throw error
        }
        // Of interrupted processes: all shards are made.
        for name in [ShardPlan.filePrefix, ShardIndex.fileName, Sharding.skippedFileName] {
            DurableFile.removePartials(of: name, in: output, olderThan: 0)
        }
        let index = ShardIndex(
            recipe: plan.recipe, format: plan.format.pixel, classes: plan.source.classes, statistics: record.statistics,
            shards: shards)
        try index.write(directory: output)
        try unfinished.remove()
        return summary(index)
    }

    private func requireSamples(skipped: Int) throws {
        let count = plan.source.items.count
        guard skipped < count else {
            throw Failure(
                "none of the \(count) files of \(plan.source.path) is a readable image",
                hint: "see \(path(Sharding.skippedFileName)) for the reasons")
        }
        guard !options.isStrict || skipped == 0 else {
            throw Failure(
                "\(skipped) of \(count) files of \(plan.source.path) cannot be read",
                hint: "see \(path(Sharding.skippedFileName)), mend or remove them, or leave --strict out")
        }
    }

    private func writeSkipped(_ skipped: [ShardRecord.Skipped]) throws {
        var text = ""
        for file in skipped {
            // One line per file, whatever its name, and nothing that a terminal would obey.
            text += file.key.printable(limit: 4096) + "\t" + file.reason.printable + "\n"
        }
        try DurableFile.write([UInt8](text.utf8), to: path(Sharding.skippedFileName))
    }

    private func summary(_ index: ShardIndex) -> Summary {
        Summary(
            images: index.total, classes: index.classes.count, shards: index.shards.count,
            skipped: plan.source.items.count - index.total, bytes: index.shards.reduce(0) { $0 + $1.bytes })
    }

    private func path(_ name: String) -> String { output.appending(name: name) }
}
