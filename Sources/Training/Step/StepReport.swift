import Base
import Kernels

/// What the ranks tell each other once a step, in one exchange: each fills in its own places and leaves the others' zero, so
/// the sum over all ranks is what each has said.
package struct StepReport: ~Copyable {
    /// What a rank says of itself.
    package enum Field: Int, CaseIterable {
        /// 1 where the rank could not do its part.
        case failed
        /// 1 where its own loss or gradients are not finite.
        case notFinite
        /// 1 where it has been asked to stop, where it wants a checkpoint, where it still writes one, and where it has given
        /// up writing them.
        case stopping, saveDue, saving, givenUp
        /// Seconds of reading, of computing, and of waiting for gradients.
        case dataSeconds, computeSeconds, waitSeconds
        /// Damaged samples that others stood in for.
        case substituted
        /// Fingerprints of the parameters before the passes and after them.
        case before, after
    }

    /// Everything, in the order: losses, block sums, ranks.
    package let values: OwnedBuffer<Double>
    private let virtualRanks, blocks, ranks: Int

    package init(virtualRanks: Int, blocks: Int, ranks: Int) throws {
        values = try OwnedBuffer<Double>(
            count: Self.count(virtualRanks: virtualRanks, blocks: blocks, ranks: ranks))
        self.virtualRanks = virtualRanks
        self.blocks = blocks
        self.ranks = ranks
    }

    /// The number of values.
    package static func count(virtualRanks: Int, blocks: Int, ranks: Int) -> Int {
        virtualRanks + blocks + ranks * Field.allCases.count
    }

    package func clear() { values.pointer.update(repeating: 0, count: values.count) }

    /// Each virtual rank's loss, the sum over its images.
    package var losses: UnsafeMutableBufferPointer<Double> { .init(start: values.pointer, count: virtualRanks) }
    /// Each block's sum of squared gradients.
    package var squares: UnsafeMutableBufferPointer<Double> {
        .init(start: values.pointer + virtualRanks, count: blocks)
    }

    package subscript(rank: Int, field: Field) -> Double {
        get { values.pointer[virtualRanks + blocks + rank * Field.allCases.count + field.rawValue] }
        nonmutating set {
            values.pointer[virtualRanks + blocks + rank * Field.allCases.count + field.rawValue] = newValue
        }
    }

    /// What this rank wants the others to know, or what any of them wants.
    package struct Requests {
        /// To end early.
        var isStopping = false
        /// A checkpoint.
        var isSaveDue = false
        /// No other checkpoint yet.
        var isSaving = false
        /// To end, since checkpoints cannot be written.
        var hasGivenUp = false
    }

    /// Sets what `rank` requests.
    package func set(_ requests: Requests, rank: Int) {
        self[rank, .stopping] = requests.isStopping ? 1 : 0
        self[rank, .saveDue] = requests.isSaveDue ? 1 : 0
        self[rank, .saving] = requests.isSaving ? 1 : 0
        self[rank, .givenUp] = requests.hasGivenUp ? 1 : 0
    }

    /// What any rank requests.
    package var requests: Requests {
        Requests(
            isStopping: any(.stopping), isSaveDue: any(.saveDue), isSaving: any(.saving), hasGivenUp: any(.givenUp))
    }

    /// The sum of all ranks' `field`.
    package func sum(_ field: Field) -> Double { (0..<ranks).reduce(0) { $0 + self[$1, field] } }

    /// Whether any rank has set `field`.
    package func any(_ field: Field) -> Bool { (0..<ranks).contains { self[$0, field] != 0 } }

    /// The ranks that have set `field`, as text.
    package func ranks(with field: Field) -> String {
        let numbers = (0..<ranks).filter { self[$0, field] != 0 }.map(String.init)
        return (numbers.count == 1 ? "rank " : "ranks ") + numbers.joined(separator: ", ")
    }

    /// The rank that worked longest.
    package var slowestRank: Int {
        (0..<ranks).max {
            self[$0, .dataSeconds] + self[$0, .computeSeconds] < self[$1, .dataSeconds] + self[$1, .computeSeconds]
        } ?? 0
    }

    /// Throws where a rank's parameters have changed by themselves, or are not those of the others.
    package func demandEqualParameters(step: Int) throws {
        for rank in 0..<ranks where self[rank, .before] != self[rank, .after] {
            throw Failure("the parameters of rank \(rank) changed in memory during step \(step + 1)", hint: memoryHint)
        }
        try demandEqual((0..<ranks).map { self[$0, .before] }, after: step)
    }
}

private let memoryHint = "test the memory of that rank's node, and go on from the last checkpoint with --resume"

/// Throws where one of the ranks' `fingerprints` of the parameters after `step` steps is not that of most, or of rank 0.
package func demandEqual(_ fingerprints: [Double], after step: Int) throws {
    let counts = Dictionary(grouping: fingerprints, by: { $0 }).mapValues(\.count)
    let most = counts.values.max() ?? 0
    let expected = fingerprints.first { counts[$0] == most }
    guard let odd = fingerprints.firstIndex(where: { $0 != expected }) else { return }
    throw Failure(
        "the parameters of rank \(odd) are not those of the other ranks after step \(step)", hint: memoryHint)
}
