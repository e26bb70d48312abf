import Base
import Kernels

/// What the ranks tell each other once per step, in one all-reduce: each fills in its own fields and leaves the others zero.
package struct StepReport: ~Copyable {
    /// Fields of one rank.
    package enum Field: Int, CaseIterable {
        /// 1 if the rank could not do its part.
        case failed
        /// 1 if its own loss or gradients are not finite.
        case notFinite
        /// 1 if it was asked to stop, requests a checkpoint, is still writing one, or has given up writing them.
        case stopping, saveDue, saving, givenUp
        /// Seconds spent reading, computing, and waiting for gradients.
        case dataSeconds, computeSeconds, waitSeconds
        /// Corrupt samples that were substituted.
        case substituted
        /// Fingerprints of the parameters before and after the passes.
        case before, after
    }

    /// Losses, then block sums, then ranks.
    package let values: OwnedBuffer<Double>
    private let virtualRanks, blocks, ranks: Int

    package init(virtualRanks: Int, blocks: Int, ranks: Int) throws {
        values = try OwnedBuffer<Double>(
            count: Self.count(virtualRanks: virtualRanks, blocks: blocks, ranks: ranks))
        self.virtualRanks = virtualRanks
        self.blocks = blocks
        self.ranks = ranks
    }

    package static func count(virtualRanks: Int, blocks: Int, ranks: Int) -> Int {
        virtualRanks + blocks + ranks * Field.allCases.count
    }

    package func clear() { values.pointer.update(repeating: 0, count: values.count) }

    /// Of each virtual rank, summed over its images.
    package var losses: UnsafeMutableBufferPointer<Double> { .init(start: values.pointer, count: virtualRanks) }
    /// Sum of squared gradients of each block.
    package var squares: UnsafeMutableBufferPointer<Double> {
        .init(start: values.pointer + virtualRanks, count: blocks)
    }

    package subscript(rank: Int, field: Field) -> Double {
        get { values.pointer[virtualRanks + blocks + rank * Field.allCases.count + field.rawValue] }
        nonmutating set {
            values.pointer[virtualRanks + blocks + rank * Field.allCases.count + field.rawValue] = newValue
        }
    }

    /// Requests of this rank, or of any rank.
    package struct Requests {
        /// To stop early.
        var isStopping = false
        /// To write a checkpoint.
        var isSaveDue = false
        /// To start no other checkpoint yet.
        var isSaving = false
        /// To stop because checkpoints cannot be written.
        var hasGivenUp = false
    }

    package func set(_ requests: Requests, rank: Int) {
        self[rank, .stopping] = requests.isStopping ? 1 : 0
        self[rank, .saveDue] = requests.isSaveDue ? 1 : 0
        self[rank, .saving] = requests.isSaving ? 1 : 0
        self[rank, .givenUp] = requests.hasGivenUp ? 1 : 0
    }

    /// Requests of any rank.
    package var requests: Requests {
        Requests(
            isStopping: any(.stopping), isSaveDue: any(.saveDue), isSaving: any(.saving), hasGivenUp: any(.givenUp))
    }

    package func sum(_ field: Field) -> Double { (0..<ranks).reduce(0) { $0 + self[$1, field] } }

    package func any(_ field: Field) -> Bool { (0..<ranks).contains { self[$0, field] != 0 } }

    /// Ranks that have set `field`, as text.
    package func ranks(with field: Field) -> String {
        let numbers = (0..<ranks).filter { self[$0, field] != 0 }.map(String.init)
        return (numbers.count == 1 ? "rank " : "ranks ") + numbers.joined(separator: ", ")
    }

    /// The rank with the most time reading and computing.
    package var slowestRank: Int {
        (0..<ranks).max {
            self[$0, .dataSeconds] + self[$0, .computeSeconds] < self[$1, .dataSeconds] + self[$1, .computeSeconds]
        } ?? 0
    }

    /// Throws `SuspectState` if a rank's parameters changed during the passes, or differ from those of the others.
    package func requireEqualParameters(step: Int) throws {
        for rank in 0..<ranks where self[rank, .before] != self[rank, .after] {
            throw SuspectState(
                Failure(
                    "the parameters of rank \(rank) changed in memory during step \(step + 1)", hint: memoryHint))
        }
        try requireEqual((0..<ranks).map { self[$0, .before] }, after: step)
    }
}

private let memoryHint = "test the memory of that rank's node, and go on from the last checkpoint with --resume"

/// Throws `SuspectState` if the fingerprint of a rank after `step` steps differs from that of the majority, or of rank 0.
package func requireEqual(_ fingerprints: [Double], after step: Int) throws {
    let counts = Dictionary(grouping: fingerprints, by: { $0 }).mapValues(\.count)
    let most = counts.values.max() ?? 0
    let expected = fingerprints.first { counts[$0] == most }
    guard let odd = fingerprints.firstIndex(where: { $0 != expected }) else { return }
    throw SuspectState(
        Failure(
            "the parameters of rank \(odd) are not those of the other ranks after step \(step)", hint: memoryHint))
}
