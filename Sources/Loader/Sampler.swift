import Base

/// The order of a run's samples: position after position, epoch after epoch without a break, each epoch a keyed
/// permutation of all samples. Any position is computed directly, in constant memory.
package struct Sampler {
    private let count: Int
    private let seed: UInt64
    private var epoch = -1
    private var permutation: KeyedPermutation

    /// The order of `count` (> 0) samples under `seed`.
    package init(count: Int, seed: UInt64) {
        self.count = count
        self.seed = seed
        permutation = KeyedPermutation(count: count, seed: seed, epoch: 0)
    }

    /// The epoch and the sample at `position`, counted from the start of the run.
    package mutating func sample(at position: Int) -> (epoch: Int, sample: Int) {
        let current = position / count
        if current != epoch {
            permutation = KeyedPermutation(count: count, seed: seed, epoch: current)
            epoch = current
        }
        return (current, permutation[position % count])
    }
}
