/// Charts of the layers' metrics: by layer, and over the steps of a run.
struct LayerCharts {
    private let history: MetricsHistory
    private let epochsPerStep: Double?

    init(_ history: MetricsHistory, epochsPerStep: Double?) {
        self.history = history
        self.epochsPerStep = epochsPerStep
    }

    /// The first and the latest measurement by layer.
    var byLayer: [Chart] { LayerMetric.all.compactMap(curve) }

    /// All measurements over the steps, one line per layer.
    var overSteps: [Chart] { LayerMetric.all.compactMap(progress) }

    private func curve(_ metric: LayerMetric) -> Chart? {
        var series: [Chart.Series] = []
        let known = metric.names.filter { !history.series(metric.part, $0.field).isEmpty }
        for (position, name) in known.enumerated() {
            let measurements = history.series(metric.part, name.field)
            guard let first = measurements.first, let latest = measurements.last else { continue }
            let pair = first.step == latest.step ? [latest] : [first, latest]
            for (step, layers) in pair {
                let label = [known.count > 1 ? name.label : "", "step \(readable(whole: step))"].filter { !$0.isEmpty }
                var line = Chart.Series(
                    label.joined(separator: ", "), layers: layers, colour: step == latest.step ? 0 : 1)
                line.isDashed = position > 0
                series.append(line)
            }
        }
        return metric.chart(metric.names[0].field, metric.title, series)
    }

    private func progress(_ metric: LayerMetric) -> Chart? {
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
        return Chart(
            id: "progress-\(metric.names[0].field)", title: metric.title(metric.names[0].label),
            note: "Each \(metric.part) layer over training.", y: .init(title: metric.axis), series: series,
            epochsPerStep: epochsPerStep)
    }
}
