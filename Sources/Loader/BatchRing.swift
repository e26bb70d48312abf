import Base
import Foundation

// N images of a micro-batch, L patches of the model's input, V = C p p values a patch, K classes.

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

/// A corrupt sample and the sample that was used instead.
package struct Substitution: Equatable, Sendable {
    /// The corrupt sample.
    package let sample: Int
    /// The sample that replaced it.
    package let substitute: Int
    /// Why it is corrupt.
    package let damage: Failure
}

/// A ring of slots between the reading thread and the computing thread, filled and emptied in order. A thread without work sleeps. A
/// class because both threads share it.
final class BatchRing: @unchecked Sendable {
    /// The reading thread's next work: to fill `batch`.
    struct Work {
        let purpose: SamplePurpose
        let batch: LoadedBatch
        fileprivate let slot: Int
        fileprivate let generation: Int
    }

    /// One in use, one being read, and two to even out slow reads.
    static let slotCount = 4

    private let patches: OwnedBuffer<Float>  // (slots, N, L, V)
    private let masks: OwnedBuffer<UInt8>  // (slots, N, L)
    private let labels: OwnedBuffer<Int32>  // (slots, N)
    private let targets: OwnedBuffer<Float>  // (slots, N, K)

    // Everything below is guarded by the lock. Batches taken <= batches assigned to the reader.
    private let condition = NSCondition()
    private var sequence: (BatchSequence, SamplePurpose)?
    private var generation = 0
    private var filled = 0
    private var taken = 0
    private var isHolding = false
    private var isStopped = false
    /// What the reading thread met in each slot.
    private var outcomes = [Result<[Substitution], Failure>](repeating: .success([]), count: slotCount)

    /// A ring of batches of `capacity` images with `patchCount` patches of `patchValues` values in all.
    init(capacity: Int, patchValues: Int, patchCount: Int, classes: Int) throws {
        let images = BatchRing.slotCount * capacity
        patches = try OwnedBuffer(count: images * patchValues)
        masks = try OwnedBuffer(count: images * patchCount)
        labels = try OwnedBuffer(count: images)
        targets = try OwnedBuffer(count: images * classes)
    }

    private func batch(_ positions: Range<Int>, in slot: Int, _ substitutions: [Substitution] = []) -> LoadedBatch {
        func part<Value>(_ buffer: borrowing OwnedBuffer<Value>) -> UnsafeMutablePointer<Value> {
            buffer.pointer + slot * (buffer.count / BatchRing.slotCount)
        }
        return LoadedBatch(
            patches: part(patches), mask: part(masks), labels: part(labels), targets: part(targets),
            positions: positions, substitutions: substitutions)
    }

    // ---- the computing thread ----

    /// Makes the reading thread start `sequence`, whatever it was reading.
    func begin(_ sequence: BatchSequence, _ purpose: SamplePurpose) {
        condition.withLock {
            self.sequence = (sequence, purpose)
            generation += 1
            (filled, taken, isHolding) = (0, 0, false)
            condition.broadcast()
        }
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
        let positions = sequence[taken]
        guard !positions.isEmpty else { return nil }
        while filled == taken { condition.wait() }
        let slot = taken % BatchRing.slotCount
        let batch = batch(positions, in: slot, try outcomes[slot].get())
        isHolding = true
        return batch
    }

    /// Micro-batches that are read and not yet taken.
    var readyCount: Int { condition.withLock { filled - taken - (isHolding ? 1 : 0) } }

    /// Ends the reading thread after its current read.
    func stop() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
        }
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
                    let slot = filled % BatchRing.slotCount
                    return Work(
                        purpose: purpose, batch: batch(positions, in: slot), slot: slot, generation: generation)
                }
            }
            condition.wait()
        }
        return nil
    }

    /// Completes `work`: its slot is filled, or has a failure for the thread that takes it.
    func finish(_ work: Work, _ result: Result<[Substitution], Failure>) {
        condition.withLock {
            // The computing thread may have started another sequence.
            guard work.generation == generation else { return }
            outcomes[work.slot] = result
            filled += 1
            condition.broadcast()
        }
    }
}
