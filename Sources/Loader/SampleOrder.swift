import Base

/// The sample order of a run: epochs follow each other without a gap, and each is a keyed permutation of all samples. Any position is
/// computed directly, in constant memory.
package struct Sampler {
    private let count: Int
    private let seed: UInt64
    private var epoch = -1
    private var permutation: KeyedPermutation

    package init(count: Int, seed: UInt64) {
        self.count = count
        self.seed = seed
        permutation = KeyedPermutation(count: count, seed: seed, epoch: 0)
    }

    /// Epoch and sample at `position`, counted from the start of the run.
    package mutating func sample(at position: Int) -> (epoch: Int, sample: Int) {
        let current = position / count
        if current != epoch {
            permutation = KeyedPermutation(count: count, seed: seed, epoch: current)
            epoch = current
        }
        return (current, permutation[position % count])
    }
}

/// The positions of a rank's micro-batches, computed from their number.
package struct BatchSequence: Equatable, Sendable {
    private let first: Int
    private let size: Int
    private let sizesInARow: Int
    private let stride: Int
    private let end: Int

    /// Micro-batches of `size` positions below `end`: `sizesInARow` consecutive ones from `first`, then from `first + stride`, and so on.
    package init(first: Int, size: Int, sizesInARow: Int = 1, stride: Int, end: Int) {
        precondition(first >= 0 && size > 0 && sizesInARow > 0 && stride > 0)
        self.first = first
        self.size = size
        self.sizesInARow = sizesInARow
        self.stride = stride
        self.end = end
    }

    /// The positions of micro-batch `number`; empty after the last one.
    package subscript(number: Int) -> Range<Int> {
        let start = first + number / sizesInARow * stride + number % sizesInARow * size
        return min(start, end)..<min(start + size, end)
    }
}
