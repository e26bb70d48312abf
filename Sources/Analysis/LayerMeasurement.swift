package struct Spread: Codable, Equatable, Sendable {
    package var mean: Double
    package var std: Double

    package init(mean: Double, std: Double) {
        self.mean = mean
        self.std = std
    }

    /// Nil if `values` is empty or one is not finite. The deviation of a `sample` divides by n - 1, as for coding
    /// rates; that of a single value is 0.
    package init?(_ values: [Double], isSample: Bool = false) {
        guard !values.isEmpty, values.allSatisfy(\.isFinite) else { return nil }
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let divisor = max(1, values.count - (isSample ? 1 : 0))
        self.init(mean: mean, std: (squares / Double(divisor)).squareRoot())
    }
}

/// Metrics of an encoder block; see `BlockMetric` and `WeightMetrics`. Values that are not finite are absent.
package struct EncoderMetrics: Codable, Equatable, Sendable {
    package var codingRate, codingRateAfter, sparsity, sparsityBefore, istaStep: Spread?
    package var attentionEntropy, classAttentionEntropy: Spread?
    package var dictionaryCoherence, subspaceOverlap: Double?
}

package struct DecoderMetrics: Codable, Equatable, Sendable {
    /// See `LayerMeter.measure`.
    package var discrepancy: Spread?
}

/// The metrics of all layers over a sample of images; a line of `measures.jsonl`.
package struct LayerMeasurement: Codable, Equatable, Sendable {
    /// Nil unless a model file was read.
    package var file: String?
    /// Optimiser steps done, if known.
    package var step: Int?
    package var epoch: Double?
    package var images: Int
    package var encoder: [EncoderMetrics]
    /// One per block that has an encoder block to be compared with.
    package var decoder: [DecoderMetrics]
}

extension EncoderMetrics {
    /// Metrics over images, with their names in files.
    package static let spreads: [(name: String, value: @Sendable (EncoderMetrics) -> Spread?)] = [
        ("coding_rate", \.codingRate), ("coding_rate_after", \.codingRateAfter), ("sparsity_before", \.sparsityBefore),
        ("sparsity", \.sparsity), ("ista_step", \.istaStep), ("attention_entropy", \.attentionEntropy),
        ("class_attention_entropy", \.classAttentionEntropy),
    ]
    /// Metrics of weights, with their names in files.
    package static let numbers: [(name: String, value: @Sendable (EncoderMetrics) -> Double?)] = [
        ("dictionary_coherence", \.dictionaryCoherence), ("subspace_overlap", \.subspaceOverlap),
    ]
}
