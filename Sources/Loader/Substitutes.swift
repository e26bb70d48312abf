import Base

/// A corrupt sample and the sample that was used instead.
package struct Substitution: Equatable, Sendable {
    /// The corrupt sample.
    package let sample: Int
    /// The sample that replaced it.
    package let substitute: Int
    /// Why it is corrupt.
    package let damage: Failure
}

/// Candidates to replace a corrupt sample, in order: drawn from (seed, epoch, sample), so they are the same on any number of ranks.
struct Substitutes {
    /// Candidates that are tried; if half of all samples are readable, all fail once in 10^19 times.
    static let attempts = 64
    private var generator: KeyedGenerator
    private let count: Int

    init(for sample: Int, epoch: Int, seed: UInt64, count: Int) {
        generator = KeyedGenerator(seed: seed, .substitution, epoch, sample)
        self.count = count
    }

    mutating func next() -> Int { generator.index(below: count) }
}
