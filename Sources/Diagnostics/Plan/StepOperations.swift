import CrateModel
import Foundation

/// Floating-point operations of the products of a step on one rank, as long as they keep its threads: for N images in
/// micro-batches of m, of v virtual ranks, with `threads` threads, D channels,
///
///     passes  = N operationsPerImage u
///     weights = (1 + v) depth 2 D^3
///
/// u is what is lost by threads that get no image of a micro-batch: with s = ceil(m / threads) threads / m it is (2 s + 1) / 3,
/// since a third of the products, the gradients of weights, are not divided by images.
struct StepOperations {
    /// Forward and backward passes of one image.
    let perImage: Double
    /// Those of all images of the step.
    let passes: Double
    /// ISTA's maps from their dictionaries once a step, and the way back once a virtual rank.
    let weights: Double

    init(_ model: Model, images: Int, microBatch: Int, virtualRanks: Int, threads: Int) {
        let rounds = Double((microBatch + threads - 1) / threads * threads) / Double(microBatch)
        perImage = model.operationsPerImage * (2 * rounds + 1) / 3
        passes = Double(images) * perImage
        weights =
            Double(1 + virtualRanks) * Double(model.configuration.depth) * 2
            * pow(Double(model.configuration.dim), 3)
    }
}
