import Base

/// A sample that another one stood in for.
package struct Substitution: Equatable, Sendable {
    /// The sample that could not be read.
    package let sample: Int
    /// The sample that took its place.
    package let substitute: Int
    /// What is wrong with it.
    package let damage: Failure
}

/// The samples that stand in for another one, in order: drawn from (seed, epoch, sample), so that they are the same on any
/// number of ranks.
struct Substitutes {
    /// So many are tried; where half of the samples can be read, they fail together once in 10^19 times.
    static let attempts = 64
    private var generator: KeyedGenerator
    private let count: Int

    init(for sample: Int, epoch: Int, seed: UInt64, count: Int) {
        generator = KeyedGenerator(seed: seed, .substitution, epoch, sample)
        self.count = count
    }

    mutating func next() -> Int { generator.index(below: count) }
}
