import Base
import Foundation
import Images

package struct ShardingProgress: Sendable {
    /// Images that are in shards or were skipped.
    package internal(set) var done = 0
    package internal(set) var total: Int
    /// Bytes of the samples so far.
    package internal(set) var bytes = 0
}

/// Makes shards: `jobs` threads read and decode images, and whichever thread finds the next samples ready writes them in order. So the
/// bytes do not depend on the number of threads.
///
/// A class because all threads share it; mutable state is guarded by `condition` or owned by the writing thread.
final class ShardPipeline: @unchecked Sendable {
    private let plan: ShardPlan
    private let shards: [Int]
    private let directory: String
    private let jobs: Int
    private let memory: MemoryBudget
    private let expected: [Int: ShardIndex.Shard]
    private let whenDone: @Sendable (Int, ShardRecord) throws -> Void

    private let condition = NSCondition()
    /// Prepared samples that are not written yet; position p is in slot p mod the number of slots.
    private var slots: [PreparedSample?]
    /// Positions count the images of `shards`, shard after shard.
    private var taken = 0
    private var isWriting = false
    private var progress: ShardingProgress
    private var failure: (any Error)?

    // The shard in progress, owned by the writing thread.
    private var writer: ShardWriter?
    private var record = ShardRecord()

    /// Makes the shards `shards` of `plan`, in increasing order, in `directory`. `whenDone` is called for each when it is on the disk. A
    /// shard that differs from its file in `expected` is a failure.
    init(
        _ plan: ShardPlan, shards: [Int], directory: String, jobs: Int, memory: MemoryBudget,
        expected: [Int: ShardIndex.Shard] = [:],
        whenDone: @escaping @Sendable (Int, ShardRecord) throws -> Void
    ) {
        self.plan = plan
        self.shards = shards
        self.directory = directory
        self.jobs = jobs
        self.memory = memory
        self.expected = expected
        self.whenDone = whenDone
        // Several images per thread even out differences in their duration.
        slots = Array(repeating: nil, count: 8 * jobs)
        progress = ShardingProgress(total: shards.reduce(0) { $0 + plan.positions(of: $1).count })
    }

    /// Makes the shards; `report` is called repeatedly on the caller's thread, and at the end.
    ///
    /// Throws `Failure` if a shard cannot be written; earlier ones stay.
    func run(report: (ShardingProgress) -> Void) throws {
        let group = DispatchGroup()
        for _ in 0..<jobs {
            group.enter()
            let thread = Thread { [self] in
                work()
                group.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        var isRunning = true
        while isRunning {
            isRunning = group.wait(timeout: .now() + .milliseconds(100)) == .timedOut
            report(condition.withLock { progress })
        }
        writer = nil
        if let failure { throw failure }
    }

    private func work() {
        condition.lock()
        defer { condition.unlock() }
        do {
            var preparer = try SamplePreparer(plan.format, pixelLimit: plan.recipe.pixelLimit, memory: memory)
            while failure == nil {
                let slot = progress.done % slots.count
                if !isWriting, let sample = slots[slot].take() {
                    try write(sample)
                } else if taken < progress.total && taken - progress.done < slots.count {
                    let position = taken
                    taken += 1
                    let sample = try unlocked { try preparer.prepare(item(at: position).item, of: plan.source) }
                    slots[position % slots.count] = sample
                    condition.broadcast()
                } else if progress.done == progress.total {
                    return
                } else {
                    condition.wait()
                }
            }
        } catch {
            failure = failure ?? error
            condition.broadcast()
        }
    }

    /// Writes the next sample. After the last one of a shard, completes the shard while another thread continues writing.
    private func write(_ sample: PreparedSample) throws {
        let (shard, isLast, item) = item(at: progress.done)
        isWriting = true
        let byteCount = try unlocked { try append(sample, item: item, shard: shard) }
        progress.done += 1
        progress.bytes += byteCount
        let complete = isLast ? writer.take() : nil
        var completeRecord = record
        if isLast { record = ShardRecord() }
        isWriting = false
        condition.broadcast()
        guard isLast else { return }
        condition.unlock()
        defer { condition.lock() }
        if let complete {
            completeRecord.file = try complete.finish(expecting: expected[shard])
        } else if expected[shard] != nil {
            throw Failure(
                "none of the images of \(ShardPlan.fileName(of: shard)) can be read any more",
                hint: "name the source as it was")
        }
        try whenDone(shard, completeRecord)
    }

    private func append(_ sample: PreparedSample, item: ShardSource.Item, shard: Int) throws -> Int {
        let key = plan.source.key(of: item)
        switch sample {
        case .unreadable(let reason):
            record.skipped.append(ShardRecord.Skipped(key: key, reason: reason))
            return 0
        case .sample(let bytes, let checksum, let statistics):
            if writer == nil {
                let path = directory.appending(name: ShardPlan.fileName(of: shard))
                writer = try ShardWriter(path: path, grid: plan.format.grid, capacity: plan.positions(of: shard).count)
            }
            try writer?.append(bytes, checksum: checksum, label: item.label, key: key)
            record.statistics.add(statistics)
            return bytes.count
        }
    }

    private func item(at position: Int) -> (shard: Int, isLast: Bool, item: ShardSource.Item) {
        let shard = shards[position / plan.recipe.shardSize]
        let positions = plan.positions(of: shard)
        let inPlan = positions.lowerBound + position % plan.recipe.shardSize
        return (shard, inPlan == positions.upperBound - 1, plan.item(at: inPlan))
    }

    /// Runs `body` with the lock released.
    private func unlocked<Result: ~Copyable>(_ body: () throws -> Result) rethrows -> Result {
        condition.unlock()
        defer { condition.lock() }
        return try body()
    }
}
