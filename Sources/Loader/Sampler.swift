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
