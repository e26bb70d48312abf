import Base
import Checkpoints
import Collectives
import CrateModel
import Foundation
import Kernels
import Loader

package struct Spread: Codable, Equatable, Sendable {
    package var mean: Double
    package var std: Double
}

extension Spread {
    /// That of `values`; nil where there is none, or one is not finite. The deviation of a `sample` divides by one less than their
    /// number, as that of coding rates does; a single value has none.
    package init?(_ values: [Double], isSample: Bool = false) {
        guard !values.isEmpty, values.allSatisfy(\.isFinite) else { return nil }
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let divisor = max(1, values.count - (isSample ? 1 : 0))
        self.init(mean: mean, std: (squares / Double(divisor)).squareRoot())
    }
}

/// The metrics of an encoder block by their names in `measures.jsonl`; see `BlockMetric` and `WeightMetrics`.
package enum EncoderMetric: String, CodingKey, CaseIterable, Sendable {
    case codingRate = "coding_rate"
    case codingRateAfter = "coding_rate_after"
    case sparsityBefore = "sparsity_before"
    case sparsity
    case istaStep = "ista_step"
    case attentionEntropy = "attention_entropy"
    case classAttentionEntropy = "class_attention_entropy"
    case dictionaryCoherence = "dictionary_coherence"
    case subspaceOverlap = "subspace_overlap"

    /// Those of weights, which have no deviation over images.
    package static let ofWeights: [EncoderMetric] = [.dictionaryCoherence, .subspaceOverlap]
}

/// The metrics of an encoder block; what is not finite is absent.
package struct EncoderMetrics: Codable, Equatable, Sendable {
    package typealias CodingKeys = EncoderMetric

    package var codingRate, codingRateAfter, sparsityBefore, sparsity, istaStep: Spread?
    package var attentionEntropy, classAttentionEntropy: Spread?
    package var dictionaryCoherence, subspaceOverlap: Double?

    /// The value of `metric`, without a deviation where it is not taken over images.
    package subscript(metric: EncoderMetric) -> Spread? {
        switch metric {
        case .codingRate: codingRate
        case .codingRateAfter: codingRateAfter
        case .sparsityBefore: sparsityBefore
        case .sparsity: sparsity
        case .istaStep: istaStep
        case .attentionEntropy: attentionEntropy
        case .classAttentionEntropy: classAttentionEntropy
        case .dictionaryCoherence: dictionaryCoherence.map { Spread(mean: $0, std: 0) }
        case .subspaceOverlap: subspaceOverlap.map { Spread(mean: $0, std: 0) }
        }
    }
}

/// The metrics of a decoder block.
package struct DecoderMetrics: Codable, Equatable, Sendable {
    /// How far its output is from what it is to restore; see `LayerMeter.measure`.
    package var discrepancy: Spread?

    package static let discrepancyName = "discrepancy"
}

/// The metrics of all layers over a sample of images; a line of `measures.jsonl`.
package struct LayerMeasurement: Codable, Equatable, Sendable {
    /// The model file, where one was read.
    package var file: String?
    /// Steps done, where they are known.
    package var step: Int?
    /// Epochs done, a fraction.
    package var epoch: Double?
    /// The number of images.
    package var images: Int
    /// Block by block.
    package var encoder: [EncoderMetrics]
    /// Block by block, as far as the encoder has blocks to compare with.
    package var decoder: [DecoderMetrics]
}

/// The metrics of all layers of `weights` of the checkpoint at `path` (see `CheckpointStore.modelFile`). Corrupt
/// checkpoints that were skipped are passed to `report` on rank 0. `maskRatio` of the patches are hidden; nil takes that
/// of training.
///
/// Collective: all ranks return the metrics, or all throw.
package func analyseCheckpoint(
    _ path: String, weights: StoredWeights, data: String, images: Int, maskRatio: Double?, precision: Precision,
    products: ProductBackend = .fastest, threads: Int, world: World, report: (Failure) -> Void
) throws -> LayerMeasurement {
    let loaded = try LoadedModel(
        path, weights: weights, images: 1, precision: precision, products: products, threads: threads, world: world)
    for warning in loaded.warnings where world.rank == 0 { report(warning) }
    let maskRatio = loaded.model.classifier != nil ? nil : maskRatio ?? loaded.stored.maskRatio
    let loader = try loaded.loader(of: data, maskRatio: maskRatio, world: world)
    let meter = try world.agree { try LayerMeter(loaded.model, images: 1, threads: threads) }
    var measurement = try measureLayers(loaded.replica, loader: loader, images: images, meter: meter, world: world)
    // A coding rate is a finite number for all finite tokens.
    let isFinite = measurement.encoder.allSatisfy { $0.codingRate != nil && $0.codingRateAfter != nil }
    try loaded.requireFinite("outputs of layers", isFinite)
    measurement.file = loaded.file
    let directory = loaded.file.parentPath
    measurement.step = CheckpointStore.step(of: directory)
    return measurement
}

/// Measures all layers over `images` samples of `loader`, or all if there are fewer. Samples are evenly spaced; framing
/// and masks are always the same.
///
/// Samples are distributed round-robin over the ranks, and so are the blocks whose weights are measured. Every rank
/// then adds the same numbers in the same order, so the result has the same bits for any number of ranks. Collective:
/// all ranks return the result, or all throw.
///
/// Overwrites the last pass of `replica`. `meter` must hold at least one image.
package func measureLayers(
    _ replica: borrowing Replica, loader: BatchLoader, images: Int, meter: borrowing LayerMeter, world: World
) throws -> LayerMeasurement {
    let count = min(images, loader.count)
    let (spacing, rowCount) = (loader.count / count, meter.rowCount)
    let (model, blocks) = (replica.model, replica.model.configuration.depth)
    var values = [Double](repeating: 0, count: count * rowCount + 2 * blocks)
    try world.agree {
        loader.begin(
            BatchSequence(
                first: world.rank * spacing, size: 1, stride: world.size * spacing, end: (count - 1) * spacing + 1),
            for: .evaluation)
        while let loaded = try loader.next() {
            replica.forward(model.batch(loaded))
            meter.measure(images: 1, in: replica)
            WorkDone.add()
            let start = loaded.positions.lowerBound / spacing * rowCount
            values.replaceSubrange(start..<start + rowCount, with: meter.row(0))
        }
        let own = Array(stride(from: world.rank, to: blocks, by: world.size))
        let weights = try meter.measureWeights(of: own, in: replica)
        for (block, weights) in zip(own, weights) {
            values[count * rowCount + 2 * block] = weights.dictionaryCoherence
            values[count * rowCount + 2 * block + 1] = weights.subspaceOverlap
        }
    }
    world.sum(&values)
    return LayerMeasurement(values, images: count, meter)
}

extension LayerMeasurement {
    /// `values` has a row for each image, followed by two numbers for each block.
    fileprivate init(_ values: [Double], images: Int, _ meter: borrowing LayerMeter) {
        let rowCount = meter.rowCount
        func column(_ place: Int) -> [Double] { (0..<images).map { values[$0 * rowCount + place] } }
        func weight(_ block: Int, _ number: Int) -> Double? {
            let value = values[images * rowCount + 2 * block + number]
            return value.isFinite ? value : nil
        }
        let encoder = (0..<meter.depth).map { block in
            func spread(_ metric: BlockMetric, isSample: Bool = false) -> Spread? {
                Spread(column(LayerMeter.place(metric, block: block)), isSample: isSample)
            }
            return EncoderMetrics(
                codingRate: spread(.codingRate, isSample: true),
                codingRateAfter: spread(.codingRateAfter, isSample: true), sparsityBefore: spread(.sparsityBefore),
                sparsity: spread(.sparsity), istaStep: spread(.istaStep), attentionEntropy: spread(.attentionEntropy),
                classAttentionEntropy: spread(.classAttentionEntropy), dictionaryCoherence: weight(block, 0),
                subspaceOverlap: weight(block, 1))
        }
        let decoder = (0..<meter.matchedDecoderDepth).map { block in
            DecoderMetrics(discrepancy: Spread(column(meter.discrepancyPlace(block: block))))
        }
        self.init(images: images, encoder: encoder, decoder: decoder)
    }
}
