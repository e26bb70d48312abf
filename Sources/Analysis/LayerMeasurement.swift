/// A measure over images.
package struct Spread: Codable, Equatable, Sendable {
    /// The mean.
    package var mean: Double
    /// The standard deviation.
    package var std: Double

    /// A mean and a deviation.
    package init(mean: Double, std: Double) {
        self.mean = mean
        self.std = std
    }

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

/// What is measured of an encoder block; see `BlockMetric` and `WeightMetrics`. What is not finite is absent.
package struct EncoderMetrics: Codable, Equatable, Sendable {
    /// See `BlockMetric`.
    package var codingRate, codingRateAfter, sparsity, sparsityBefore, istaStep: Spread?
    /// See `BlockMetric`.
    package var attentionEntropy, classAttentionEntropy: Spread?
    /// See `WeightMetrics`.
    package var dictionaryCoherence, subspaceOverlap: Double?
}

/// What is measured of a decoder block; see `LayerMeter.measure`.
package struct DecoderMetrics: Codable, Equatable, Sendable {
    /// How far its output is from what it is to bring back.
    package var discrepancy: Spread?
}

/// The measures of all layers over a sample of images; a line of `measures.jsonl`.
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

extension EncoderMetrics {
    /// What is measured over images, by the names in files.
    package static let spreads: [(name: String, value: @Sendable (EncoderMetrics) -> Spread?)] = [
        ("coding_rate", \.codingRate), ("coding_rate_after", \.codingRateAfter), ("sparsity_before", \.sparsityBefore),
        ("sparsity", \.sparsity), ("ista_step", \.istaStep), ("attention_entropy", \.attentionEntropy),
        ("class_attention_entropy", \.classAttentionEntropy),
    ]
    /// What is measured of weights, by the names in files.
    package static let numbers: [(name: String, value: @Sendable (EncoderMetrics) -> Double?)] = [
        ("dictionary_coherence", \.dictionaryCoherence), ("subspace_overlap", \.subspaceOverlap),
    ]
}
