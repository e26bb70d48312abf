import Base
import CrateModel

/// Stochastic depth (Huang et al., arXiv 1603.09382): for an image, a layer with a skip connection in block l of n is left out with
/// probability rate l / (n - 1), and what it adds is divided by one minus that otherwise. Decoders are left whole.
///
/// What is drawn for an image is a function of (seed, position in the order of training), whatever the ranks and micro-batches.
struct StochasticDepth: ~Copyable {
    private let seed: UInt64
    private let rates: [Double]  // of each branch
    private let scales: OwnedBuffer<Float>  // (images, branches)

    /// Nil if nothing is left out. Throws `Failure` if memory is short.
    static func of(_ configuration: TrainingConfiguration, _ model: Model) throws -> StochasticDepth? {
        guard let rate = configuration.dropPath, rate > 0 else { return nil }
        let last = Double(max(1, model.configuration.depth - 1))
        let rates = model.branchBlocks.map { block in
            block.map { model.configuration.depth == 1 ? rate : rate * Double($0) / last } ?? 0
        }
        return StochasticDepth(
            seed: configuration.seed, rates: rates,
            scales: try OwnedBuffer<Float>(count: configuration.microBatch * rates.count))
    }

    /// The factors for the images at `positions`, valid until the next call.
    borrowing func draw(_ positions: Range<Int>) -> BranchDrops {
        for (image, position) in positions.enumerated() {
            var generator = KeyedGenerator(seed: seed, .depth, position)
            let own = scales.pointer + image * rates.count
            for (branch, rate) in rates.enumerated() {
                own[branch] = generator.uniform() < rate ? 0 : Float(1 / (1 - rate))
            }
        }
        return BranchDrops(scales: scales.pointer, branches: rates.count)
    }
}
