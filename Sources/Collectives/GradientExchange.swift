import Foundation
import Kernels

/// Sums the gradients of all virtual ranks and gathers the parameters, bucket by bucket, on a thread of its own, while the
/// caller goes on.
///
/// A round is: `add` for every leaf of this rank but the last one, `complete` as the last backward pass proceeds,
/// `finishReduction`, then `publish` for each bucket as it is updated, `finishGather`. Every rank must go through it, also one
/// that has failed. A class, since two threads share it.
package final class GradientExchange: @unchecked Sendable {
    /// Values of a message: large enough that its start costs nothing, small enough to be in cache when it is added.
    package static let pieceCount = 1 << 20

    private let partition: Partition
    private let gradients, parameters: UnsafeMutablePointer<Float>
    private let tree: TreeSum
    private let isAlone: Bool
    private var leaves: LeafSum
    private var completedFrom: Int
    private var completedBuckets = 0
    private let work = DispatchSemaphore(value: 0)
    private let reduced = DispatchSemaphore(value: 0)
    private let gathered = DispatchSemaphore(value: 0)
    // Written by the exchanging thread, read by the caller after `reduced`.
    private var isFinite = true

    /// Exchanges the flat buffers `gradients` and `parameters`, which must live as long as the process; `leaves` is the
    /// number of this rank's virtual ranks. Throws `Failure` when there is no memory for sums and messages.
    package init(
        _ world: World, _ partition: Partition, leaves: Int, gradients: UnsafeMutablePointer<Float>,
        parameters: UnsafeMutablePointer<Float>, wire: WireFormat
    ) throws {
        self.partition = partition
        self.gradients = gradients
        self.parameters = parameters
        tree = try TreeSum(world, wire: wire)
        self.leaves = try LeafSum(leaves: leaves, count: partition.count, wire: wire)
        completedFrom = partition.count
        isAlone = world.size == 1
        guard !isAlone else { return }
        let thread = Thread { [self] in while true { runRound() } }
        thread.name = "exchange"
        thread.start()
    }

    private func runRound() {
        isFinite = true
        for bucket in partition.buckets {
            work.wait()
            // Afterwards it cannot be told whose gradients were not finite.
            isFinite = isFinite && allFinite(gradients + bucket.lowerBound, count: bucket.count)
            tree.reduce(gradients, bucket)
        }
        reduced.signal()
        for bucket in partition.buckets {
            work.wait()
            tree.gather(parameters, bucket)
        }
        gathered.signal()
    }

    /// The gradients are those of a virtual rank that is not this rank's last one.
    package func add() { leaves.add(gradients) }

    /// The gradients of the last virtual rank from `position` on will not change any more in this round.
    package func complete(from position: Int) {
        leaves.complete(gradients, position..<completedFrom)
        completedFrom = position
        guard !isAlone else { return }
        while completedBuckets < partition.buckets.count,
            partition.buckets[completedBuckets].lowerBound >= position
        {
            completedBuckets += 1
            work.signal()
        }
    }

    /// Waits until all buckets are summed, so that the gradients of this rank's parts are the sums over all ranks. Tells
    /// whether this rank's own gradients were all finite.
    package func finishReduction() -> Bool {
        leaves.reset()
        completedFrom = partition.count
        completedBuckets = 0
        guard !isAlone else { return true }
        reduced.wait()
        return isFinite
    }

    /// This rank's part of the next bucket of parameters is as the others shall have it.
    package func publish() { if !isAlone { work.signal() } }

    /// Waits until the parameters of all buckets are here.
    package func finishGather() { if !isAlone { gathered.wait() } }
}
