import Kernels

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
