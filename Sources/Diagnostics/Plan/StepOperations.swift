import CrateModel
import Foundation

/// Floating-point operations of a step's matrix products on one rank, including idle threads. For N images in
/// micro-batches of m, v virtual ranks, `threads` threads and D channels:
///
///     passes  = N operationsPerImage u
///     weights = (1 + v) depth 2 D^3
///
/// u accounts for threads without an image of a micro-batch: with s = ceil(m / threads) threads / m it is (2 s + 1) /
/// 3, since a third of the products, the gradients of weights, are not divided by images.
struct StepOperations {
    /// Forward and backward passes of one image.
    let perImage: Double
    /// Forward and backward passes of all images.
    let passes: Double
    /// ISTA's maps from their dictionaries once per step, and their gradients once per virtual rank.
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
