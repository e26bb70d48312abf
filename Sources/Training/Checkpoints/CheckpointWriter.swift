import Base
import Checkpoints
import Collectives
import Foundation
import Optimizers
import Synchronization

/// Writes checkpoints while training continues: the state is copied, and a thread on each rank sends its copy to rank 0, which writes
/// it. One checkpoint at a time. A class because two threads share it.
final class CheckpointWriter: @unchecked Sendable {
    /// The result of a checkpoint, on rank 0.
    struct Outcome {
        let step: Int
        /// Nil if it was written.
        let failure: Failure?
        let seconds: Double
    }

    private let model: StoredModel
    private let batchSize: Int
    private let store: CheckpointStore
    private let retention: CheckpointRetention
    private let log: RunLog?
    private let partition: Partition
    private let world: World
    private let parameters: OwnedBuffer<Float>  // on rank 0
    private let moments: MomentParts
    private let momentMemory: Arena
    private let room: OwnedBuffer<Float>  // of `MomentTransfer`
    private let isRunning = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)
    private let outcomes = Mutex<[Outcome]>([])

    /// Memory for copies of the state of `trainer`; `classes` are stored with a classifier. The lines of `log` are on the disk before a checkpoint is. Throws `Failure` if the
    /// memory is not available.
    init(
        _ trainer: borrowing Trainer, store: CheckpointStore, retention: CheckpointRetention, classes: [String]?,
        log: RunLog?
    ) throws {
        let (own, layout) = (trainer.optimizer.moments, trainer.replica.model.layout)
        var memory = Arena()
        moments = try MomentParts(own.parts, kinds: own.kinds, in: &memory)
        momentMemory = memory
        parameters = try OwnedBuffer<Float>(count: trainer.world.rank == 0 ? layout.bufferCount : 0)
        room = try OwnedBuffer<Float>(count: MomentTransfer.room(for: layout, trainer.world))
        model = StoredModel(
            trainer.replica.model, maskRatio: trainer.configuration.maskRatio,
            normalisation: trainer.configuration.normalisation, classes: classes)
        batchSize = trainer.configuration.batchSize
        partition = trainer.partition
        world = trainer.world
        self.store = store
        self.retention = retention
        self.log = log
    }

    var isBusy: Bool { isRunning.load(ordering: .acquiring) }

    /// Copies the state after `step` steps and starts writing it. Not while another checkpoint is being written.
    func start(_ trainer: borrowing Trainer, step: Int) {
        precondition(!isBusy, "one checkpoint at a time")
        let own = trainer.optimizer.moments
        for kind in own.kinds { moments.values(kind).update(from: own.values(kind), count: own.count) }
        parameters.pointer.update(from: trainer.replica.parameters.pointer, count: parameters.count)
        isRunning.store(true, ordering: .releasing)
        let thread = Thread { [self] in
            var watch = Stopwatch()
            let failure = write(step: step)
            let outcome = Outcome(step: step, failure: failure, seconds: watch.lap())
            if world.rank == 0 { outcomes.withLock { $0.append(outcome) } }
            isRunning.store(false, ordering: .releasing)
            ended.signal()
        }
        thread.name = "checkpoint"
        thread.start()
    }

    /// Waits until the current checkpoint is written or has failed.
    func wait() {
        while isBusy { ended.wait() }
    }

    /// Checkpoints that ended since the last call, on rank 0.
    func takeOutcomes() -> [Outcome] {
        outcomes.withLock { outcomes in
            defer { outcomes = [] }
            return outcomes
        }
    }

    private func write(step: Int) -> Failure? {
        var transfer = MomentTransfer(model.model.layout, partition, own: moments, world: world, values: room.pointer)
        defer { transfer.collectRest() }
        guard world.rank == 0 else { return nil }
        log?.sync()
        do {
            try store.save(
                parameters.pointer, of: model, step: step, samples: step * batchSize, kinds: moments.kinds
            ) { _, _ in transfer.collect() }
            store.prune(retention)
            return nil
        } catch {
            return Failure(from: error)
        }
    }
}
