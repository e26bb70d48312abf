import Base
import Foundation

// N images of a micro-batch, L patches of the model's input, V = 3 p p values a patch, K classes.

/// A micro-batch, ready for the model. Its memory is valid until the next one is taken.
package struct LoadedBatch {
    /// Normalised patches (N, L, V), values in (row, column, channel) order.
    package let patches: UnsafeMutablePointer<Float>
    /// Masks (N, L), 1 where hidden.
    package let mask: UnsafeMutablePointer<UInt8>
    /// The classes of the samples (N), and the probability that each class should have (N, K). Without labels of no use.
    package let labels: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Float>
    /// The positions of the samples.
    package let positions: Range<Int>
    /// The samples among them that others stand in for.
    package let substitutions: [Substitution]
}

/// The micro-batches between the thread that reads them and the one that computes with them: a ring of slots, filled and
/// emptied in order. Whoever has nothing to do sleeps. A class, since both threads share it.
final class BatchRing: @unchecked Sendable {
    /// What the reading thread has to do next.
    struct Work {
        let purpose: SamplePurpose
        let positions: Range<Int>
        let slot: Int
        fileprivate let generation: Int
    }

    private enum Outcome {
        case ready(Range<Int>, [Substitution])
        case failed(Failure)
    }

    /// One is computed with, one is being read, and two even out what takes longer than others.
    static let slotCount = 4

    private let patches: OwnedBuffer<Float>  // (slots, N, L, V)
    private let masks: OwnedBuffer<UInt8>  // (slots, N, L)
    private let labels: OwnedBuffer<Int32>  // (slots, N)
    private let targets: OwnedBuffer<Float>  // (slots, N, K)
    private let capacity: Int
    private let patchValues: Int
    private let maskValues: Int
    private let targetValues: Int

    // All below belong to whoever holds the lock. Batches taken <= batches handed out to be read.
    private let condition = NSCondition()
    private var sequence: (BatchSequence, SamplePurpose)?
    private var generation = 0
    private var filled = 0
    private var taken = 0
    private var isHolding = false
    private var isStopped = false
    private var outcomes: [Outcome]

    /// Bytes of a ring.
    static func byteCount(capacity: Int, patchValues: Int, patchCount: Int, classes: Int) -> Int {
        slotCount * capacity * (4 * (patchValues + 1 + classes) + patchCount)
    }

    init(capacity: Int, patchValues: Int, patchCount: Int, classes: Int) throws {
        self.capacity = capacity
        targetValues = capacity * classes
        labels = try OwnedBuffer(count: BatchRing.slotCount * capacity)
        targets = try OwnedBuffer(count: BatchRing.slotCount * targetValues)
        self.patchValues = capacity * patchValues
        maskValues = capacity * patchCount
        patches = try OwnedBuffer(count: BatchRing.slotCount * self.patchValues)
        masks = try OwnedBuffer(count: BatchRing.slotCount * maskValues)
        outcomes = Array(repeating: .ready(0..<0, []), count: BatchRing.slotCount)
    }

    func patches(ofSlot slot: Int) -> UnsafeMutablePointer<Float> { patches.pointer + slot * patchValues }

    func masks(ofSlot slot: Int) -> UnsafeMutablePointer<UInt8> { masks.pointer + slot * maskValues }

    func labels(ofSlot slot: Int) -> UnsafeMutablePointer<Int32> { labels.pointer + slot * capacity }

    func targets(ofSlot slot: Int) -> UnsafeMutablePointer<Float> { targets.pointer + slot * targetValues }

    // ---- the side of the one who computes ----

    /// Lets the reading thread begin with `sequence`, whatever it was at.
    func begin(_ sequence: BatchSequence, _ purpose: SamplePurpose) {
        condition.lock()
        self.sequence = (sequence, purpose)
        generation += 1
        (filled, taken, isHolding) = (0, 0, false)
        condition.broadcast()
        condition.unlock()
    }

    /// Gives back the last micro-batch and waits for the next one; nil behind the last of the sequence.
    func take() throws -> LoadedBatch? {
        condition.lock()
        defer { condition.unlock() }
        guard let (sequence, _) = sequence else { return nil }
        if isHolding {
            isHolding = false
            taken += 1
            condition.broadcast()
        }
        guard !sequence[taken].isEmpty else { return nil }
        while filled == taken { condition.wait() }
        let slot = taken % BatchRing.slotCount
        switch outcomes[slot] {
        case .failed(let failure): throw failure
        case .ready(let positions, let substitutions):
            isHolding = true
            return LoadedBatch(
                patches: patches(ofSlot: slot), mask: masks(ofSlot: slot), labels: labels(ofSlot: slot),
                targets: targets(ofSlot: slot), positions: positions, substitutions: substitutions)
        }
    }

    /// How many micro-batches are read and not taken yet.
    var readyCount: Int {
        condition.lock()
        defer { condition.unlock() }
        return filled - taken - (isHolding ? 1 : 0)
    }

    /// Ends the reading thread, after what it is reading now.
    func stop() {
        condition.lock()
        isStopped = true
        condition.broadcast()
        condition.unlock()
    }

    // ---- the side of the one who reads ----

    /// Waits for something to read; nil when the thread shall end.
    func nextWork() -> Work? {
        condition.lock()
        defer { condition.unlock() }
        while !isStopped {
            if let (sequence, purpose) = sequence, filled - taken < BatchRing.slotCount {
                let positions = sequence[filled]
                if !positions.isEmpty {
                    return Work(
                        purpose: purpose, positions: positions, slot: filled % BatchRing.slotCount,
                        generation: generation)
                }
            }
            condition.wait()
        }
        return nil
    }

    /// Says that `work` is done: its slot is filled, or there was a failure, which whoever takes it will get.
    func finish(_ work: Work, _ result: Result<[Substitution], Failure>) {
        condition.lock()
        defer { condition.unlock() }
        // The sequence may have been left for another one.
        guard work.generation == generation else { return }
        switch result {
        case .success(let substitutions): outcomes[work.slot] = .ready(work.positions, substitutions)
        case .failure(let failure): outcomes[work.slot] = .failed(failure)
        }
        filled += 1
        condition.broadcast()
    }
}
