import Analysis

/// Charts of the layers' metrics: by layer, and over the steps of a run.
struct LayerCharts {
    /// A metric and how it is drawn.
    private struct Metric {
        var part = "encoder"
        var title: String
        /// Names in `measures.jsonl`, with labels if there are two.
        var names: [(field: String, label: String)]
        var note: String
        var axis: String
    }

    private static let metrics = [
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
        Metric(
            part: "decoder", title: "Decoder discrepancy", names: [(DecoderMetrics.discrepancyName, "")],
            note: "How far each decoder block's output is from the input of the encoder block that it mirrors.",
            axis: "relative distance"),
    ]

    private static func encoder(
        _ title: String, _ names: KeyValuePairs<EncoderMetric, String>, _ note: String, _ axis: String
    ) -> Metric {
        Metric(title: title, names: names.map { ($0.key.rawValue, $0.value) }, note: note, axis: axis)
    }

    private let history: MetricsHistory
    private let epochsPerStep: Double?

    init(_ history: MetricsHistory, epochsPerStep: Double?) {
        self.history = history
        self.epochsPerStep = epochsPerStep
    }

    /// The first and the latest measurement by layer.
    var byLayer: [Chart] { Self.metrics.compactMap(curve) }

    /// All measurements over the steps, one line per layer.
    var overSteps: [Chart] { Self.metrics.compactMap(progress) }

    private func curve(_ metric: Metric) -> Chart? {
        var series: [Chart.Series] = []
        let known = metric.names.filter { !history.series(metric.part, $0.field).isEmpty }
        for (position, name) in known.enumerated() {
            let measurements = history.series(metric.part, name.field)
            guard let first = measurements.first, let latest = measurements.last else { continue }
            let pair = first.step == latest.step ? [latest] : [first, latest]
            for (step, layers) in pair {
                let isLatest = step == latest.step
                let label = [known.count > 1 ? name.label : "", "step \(readable(whole: step))"].filter { !$0.isEmpty }
                    .joined(separator: ", ")
                series.append(Self.layers(label, layers, colour: isLatest ? 0 : 1, isDashed: position > 0))
            }
        }
        guard !series.isEmpty else { return nil }
        let bars = series.contains { !$0.low.isEmpty } ? " Bars: a standard deviation over images to both sides." : ""
        return Chart(
            id: "layers-\(metric.names[0].field)", title: metric.title, note: metric.note + bars,
            x: .init(title: "\(metric.part) layer", isWhole: true), y: .init(title: metric.axis), series: series)
    }

    private static func layers(_ name: String, _ values: [MetricsHistory.Value?], colour: Int, isDashed: Bool)
        -> Chart.Series
    {
        let means = values.map { $0?.mean ?? .nan }
        var series = Chart.Series(
            name: name, x: (1...max(1, values.count)).map(Double.init), y: shown(means), hasPoints: true,
            isDashed: isDashed, colour: colour)
        if values.contains(where: { $0?.deviation != nil }) {
            series.low = shown(values.map { ($0?.mean ?? .nan) - ($0?.deviation ?? 0) })
            series.high = shown(values.map { ($0?.mean ?? .nan) + ($0?.deviation ?? 0) })
            series.hasBars = true
        }
        return series
    }

    private func progress(_ metric: Metric) -> Chart? {
        let measurements = history.series(metric.part, metric.names[0].field)
        guard measurements.count > 1, let first = measurements.first, let last = measurements.last else { return nil }
        let count = measurements.map(\.layers.count).max() ?? 0
        let steps = measurements.map(\.step)
        let series = (0..<count).map { layer in
            let values = measurements.map { $0.layers.indices.contains(layer) ? $0.layers[layer]?.mean ?? .nan : .nan }
            let column = SampledColumn(
                values, steps: steps, range: first.step...last.step, isContinuous: false, limit: 120)
            return Chart.Series(
                name: "layer \(layer + 1)", x: column.steps, y: shown(column.mean), hasPoints: column.steps.count < 30,
                ramp: count > 1 ? Double(layer) / Double(count - 1) : 0)
        }
        let label = metric.names[0].label
        return Chart(
            id: "progress-\(metric.names[0].field)", title: metric.title + (label.isEmpty ? "" : ", \(label)"),
            note: "Each \(metric.part) layer over training.", y: .init(title: metric.axis), series: series,
            epochsPerStep: epochsPerStep)
    }
}
