import Base
import Checkpoints
import Kernels

extension OngoingRun {
    /// A warning where `store` has no room on its disk for the checkpoints that are to come: as many as stay, and the one that is
    /// written before the oldest goes.
    static func doubt(
        of store: CheckpointStore, for trainer: borrowing Trainer, _ options: RunOptions
    ) -> Failure? {
        let size = trainer.model.layout.parameterCount * (1 + trainer.optimizer.moments.kinds.count) * 4
        let there = store.paths().count
        let coming = max(1, (options.retention.last ?? there + 1) + 1 - there)
        let free = freeBytes(in: options.run.path)
        guard free < coming * size else { return nil }
        return Failure(
            "\(counted(coming, "checkpoint")) of \(mebibytes(size)) are to come, and \(options.run.path) has \(mebibytes(free)) free",
            hint: "free some, or lower --keep")
    }
}

private func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
