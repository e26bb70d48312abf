import Base
import Foundation

// N images of a micro-batch, L patches of the model's input, V = 3 p p values a patch, K classes.

/// A micro-batch for the model. Its memory is valid until the next one is taken.
package struct LoadedBatch {
    /// Normalised patches (N, L, V), values in (row, column, channel) order.
    package let patches: UnsafeMutablePointer<Float>
    /// Masks (N, L), 1 where hidden.
    package let mask: UnsafeMutablePointer<UInt8>
    /// Classes of the samples (N), and the target probability of each class (N, K). Unused without labels.
    package let labels: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Float>
    package let positions: Range<Int>
    /// Corrupt samples among them that were substituted.
    package let substitutions: [Substitution]
}

/// A ring of slots between the reading thread and the computing thread, filled and emptied in order. A thread without work sleeps. A
/// class because both threads share it.
final class BatchRing: @unchecked Sendable {
    /// The reading thread's next work.
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

    /// One in use, one being read, and two to even out slow reads.
    static let slotCount = 4

    private let patches: OwnedBuffer<Float>  // (slots, N, L, V)
    private let masks: OwnedBuffer<UInt8>  // (slots, N, L)
    private let labels: OwnedBuffer<Int32>  // (slots, N)
    private let targets: OwnedBuffer<Float>  // (slots, N, K)
    private let capacity: Int
    private let patchValues: Int
    private let maskValues: Int
    private let targetValues: Int

    // Everything below is guarded by the lock. Batches taken <= batches assigned to the reader.
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

    // ---- the computing thread ----

    /// Makes the reading thread start `sequence`, whatever it was reading.
    func begin(_ sequence: BatchSequence, _ purpose: SamplePurpose) {
        condition.lock()
        self.sequence = (sequence, purpose)
        generation += 1
        (filled, taken, isHolding) = (0, 0, false)
        condition.broadcast()
        condition.unlock()
    }

    /// Releases the last micro-batch and waits for the next one; nil after the last of the sequence.
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

    /// Micro-batches that are read and not yet taken.
    var readyCount: Int {
        condition.lock()
        defer { condition.unlock() }
        return filled - taken - (isHolding ? 1 : 0)
    }

    /// Ends the reading thread after its current read.
    func stop() {
        condition.lock()
        isStopped = true
        condition.broadcast()
        condition.unlock()
    }

    // ---- the reading thread ----

    /// Waits for work; nil if the thread is to end.
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

    /// Completes `work`: its slot is filled, or has a failure for the thread that takes it.
    func finish(_ work: Work, _ result: Result<[Substitution], Failure>) {
        condition.lock()
        defer { condition.unlock() }
        // The computing thread may have started another sequence.
        guard work.generation == generation else { return }
        switch result {
        case .success(let substitutions): outcomes[work.slot] = .ready(work.positions, substitutions)
        case .failure(let failure): outcomes[work.slot] = .failed(failure)
        }
        filled += 1
        condition.broadcast()
    }
}
