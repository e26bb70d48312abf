/// A measure over images.
public struct Spread: Codable, Equatable, Sendable {
    /// The mean.
    public var mean: Double
    /// The standard deviation.
    public var std: Double

    /// A mean and a deviation.
    public init(mean: Double, std: Double) {
        self.mean = mean
        self.std = std
    }

    /// That of `values`; nil where there is none, or one is not finite. The deviation of a `sample` divides by one less than their
    /// number, as that of coding rates does; a single value has none.
    public init?(_ values: [Double], isSample: Bool = false) {
        guard !values.isEmpty, values.allSatisfy(\.isFinite) else { return nil }
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let divisor = max(1, values.count - (isSample ? 1 : 0))
        self.init(mean: mean, std: (squares / Double(divisor)).squareRoot())
    }
}

/// What is measured of an encoder block; see `BlockMeasure` and `WeightMeasures`. What is not finite is absent.
public struct EncoderMeasures: Codable, Equatable, Sendable {
    /// See `BlockMeasure`.
    public var codingRate, codingRateAfter, sparsity, sparsityBefore, istaStep: Spread?
    /// See `BlockMeasure`.
    public var attentionEntropy, classAttentionEntropy: Spread?
    /// See `WeightMeasures`.
    public var dictionaryCoherence, subspaceOverlap: Double?
}

/// What is measured of a decoder block; see `LayerMeter.measure`.
public struct DecoderMeasures: Codable, Equatable, Sendable {
    /// How far its output is from what it is to bring back.
    public var discrepancy: Spread?
}

/// The measures of all layers over a sample of images; a line of `measures.jsonl`.
public struct LayerMeasurement: Codable, Equatable, Sendable {
    /// The model file, where one was read.
    public var file: String?
    /// Steps done, where they are known.
    public var step: Int?
    /// Epochs done, a fraction.
    public var epoch: Double?
    /// The number of images.
    public var images: Int
    /// Block by block.
    public var encoder: [EncoderMeasures]
    /// Block by block, as far as the encoder has blocks to compare with.
    public var decoder: [DecoderMeasures]
}

extension EncoderMeasures {
    /// What is measured over images, by the names in files.
    public static let spreads: [(name: String, value: @Sendable (EncoderMeasures) -> Spread?)] = [
        ("coding_rate", \.codingRate), ("coding_rate_after", \.codingRateAfter), ("sparsity_before", \.sparsityBefore),
        ("sparsity", \.sparsity), ("ista_step", \.istaStep), ("attention_entropy", \.attentionEntropy),
        ("class_attention_entropy", \.classAttentionEntropy),
    ]
    /// What is measured of weights, by the names in files.
    public static let numbers: [(name: String, value: @Sendable (EncoderMeasures) -> Double?)] = [
        ("dictionary_coherence", \.dictionaryCoherence), ("subspace_overlap", \.subspaceOverlap),
    ]
}
