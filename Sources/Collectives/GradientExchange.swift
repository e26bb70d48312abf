import Foundation
import Kernels

/// Sums the gradients of all virtual ranks and gathers the parameters, bucket by bucket, on its own thread while the
/// caller computes.
///
/// One round: `add` for every leaf of this rank except the last, `complete` during the last backward pass,
/// `finishReduction`, `publish` for each bucket once it is updated, `finishGather`. Every rank must complete the round,
/// even one that has failed.
package final class GradientExchange: @unchecked Sendable {
    /// Values per message: large enough to hide the latency, small enough to be in cache when they are added.
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
    // Written by the exchange thread, read by the caller after `reduced`.
    private var isFinite = true

    /// Exchanges the flat buffers `gradients` and `parameters`, which must live as long as the process; `leaves` is the
    /// number of virtual ranks on this rank. Throws `Failure` if memory is short.
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
            // After the sum, the rank that produced a non-finite gradient can no longer be identified.
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

    /// Adds the gradients of a virtual rank that is not the last one of this rank.
    package func add() { leaves.add(gradients) }

    /// Marks the gradients of the last virtual rank from `position` on as final.
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

    /// Waits until all buckets are summed: this rank's parts then hold the sums over all ranks. Returns whether this
    /// rank's own gradients were all finite.
    package func finishReduction() -> Bool {
        leaves.reset()
        completedFrom = partition.count
        completedBuckets = 0
        guard !isAlone else { return true }
        reduced.wait()
        return isFinite
    }

    /// Releases this rank's updated part of the next parameter bucket to the other ranks.
    package func publish() { if !isAlone { work.signal() } }

    /// Fills all parameters from the ranks that own them, between two rounds. Collective.
    package func gatherParameters() {
        guard !isAlone else { return }
        for bucket in partition.buckets { tree.gather(parameters, bucket) }
    }

    /// Waits until all parameter buckets have arrived.
    package func finishGather() { if !isAlone { gathered.wait() } }
}
