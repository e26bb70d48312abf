import Analysis

/// A metric of the layers and how it is drawn.
struct LayerMetric {
    var part = "encoder"
    var title: String
    /// Names in `measures.jsonl`, with labels if there are two.
    var names: [(field: String, label: String)]
    /// A sentence on how to read its charts.
    var note: String
    var axis: String

    static let all = [
        encoder(
            "Coding rate", [.codingRate: "before attention", .codingRateAfter: "after"],
            "How much room the tokens take in the heads' subspaces; attention is to lower it.", "coding rate in nats"),
        encoder(
            "Sparsity", [.sparsity: "after ISTA", .sparsityBefore: "before"],
            "The share of zeros after ISTA, which is to raise it, and of what is not positive before.",
            "share of the values"),
        encoder(
            "ISTA step", [.istaStep: ""], "How far ISTA moves the tokens, relative to their length before.",
            "relative length"),
        encoder(
            "Attention entropy", [.attentionEntropy: "all tokens", .classAttentionEntropy: "class token"],
            "Mean over heads; 0 where a token attends to one other alone.", "entropy in nats"),
        encoder(
            "Dictionary coherence", [.dictionaryCoherence: ""],
            "How far the columns of ISTA's dictionary are from orthonormal.", "relative distance"),
        encoder(
            "Subspace overlap", [.subspaceOverlap: ""],
            "How alike the heads' subspaces are: 0 orthogonal, 1 the same.", "mean squared cosine"),
        LayerMetric(
            part: "decoder", title: "Decoder discrepancy", names: [(DecoderMetrics.discrepancyName, "")],
            note: "How far each decoder block's output is from the input of the encoder block that it mirrors.",
            axis: "relative distance"),
    ]

    private static func encoder(
        _ title: String, _ names: KeyValuePairs<EncoderMetric, String>, _ note: String, _ axis: String
    ) -> LayerMetric {
        LayerMetric(title: title, names: names.map { ($0.key.rawValue, $0.value) }, note: note, axis: axis)
    }

    /// The title of a chart of the metric that has the label `label` alone.
    func title(_ label: String) -> String { title + (label.isEmpty ? "" : ", \(label)") }

    /// A chart of `series` by layer for the metric named `field`; nil without series.
    func chart(_ field: String, _ title: String, _ series: [Chart.Series]) -> Chart? {
        guard !series.isEmpty else { return nil }
        let bars = series.contains { !$0.low.isEmpty } ? " Bars: a standard deviation over images to both sides." : ""
        return Chart(
            id: "layers-\(field)", title: title, note: note + bars, x: .init(title: "\(part) layer", isWhole: true),
            y: .init(title: axis), series: series)
    }
}

extension Chart.Series {
    /// The values of a metric by layer, with bars where standard deviations are known and `hasBars`.
    init(_ name: String, layers values: [MetricsHistory.Value?], colour: Int, hasBars: Bool = true) {
        let means = values.map { $0?.mean ?? .nan }
        self.init(
            name: name, x: (1...max(1, values.count)).map(Double.init), y: shown(means), hasPoints: true, colour: colour
        )
        if hasBars, values.contains(where: { $0?.deviation != nil }) {
            low = shown(values.map { ($0?.mean ?? .nan) - ($0?.deviation ?? 0) })
            high = shown(values.map { ($0?.mean ?? .nan) + ($0?.deviation ?? 0) })
            self.hasBars = true
        }
    }
}
