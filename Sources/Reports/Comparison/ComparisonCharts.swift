/// Charts in which every run is a line.
struct ComparisonCharts {
    /// More error bars cover each other.
    private static let barLimit = 3

    private let runs: [ComparedRun]
    private let curves: [RunCurves]
    /// What the losses of the runs measure, each once.
    private let objectives: [String?]

    init(_ runs: [ComparedRun]) {
        self.runs = runs
        curves = runs.map { RunCurves($0.record.history.table) }
        objectives = runs.filter { !$0.record.history.table.steps.isEmpty }.reduce(into: []) { known, run in
            if !known.contains(run.objective) { known.append(run.objective) }
        }
    }

    /// The curves of the logs.
    var training: [Chart] {
        let others: [TrainingMetric] = [.top1, .top5, .neighbours, .learningRate, .gradientNorm, .throughput]
        return losses(.trainingLoss, isWide: true) + losses(.validationLoss) + others.compactMap { chart($0) }
    }

    /// The latest measurements of the layers, a chart for each metric.
    var layers: [Chart] { LayerMetric.all.flatMap { metric in metric.names.compactMap { chart(metric, $0) } } }

    /// A chart for each objective, since losses of different ones cannot be compared.
    private func losses(_ metric: TrainingMetric, isWide: Bool = false) -> [Chart] {
        let charts = objectives.enumerated().compactMap { index, objective in
            var metric = metric
            if objectives.count > 1 {
                metric.id += "-\(index + 1)"
                metric.title += ": " + (objective ?? "unknown objective")
            }
            return chart(metric, of: runs.indices.filter { runs[$0].objective == objective })
        }
        guard isWide, charts.count == 1 else { return charts }
        return charts.map { chart in
            var chart = chart
            chart.isWide = true
            return chart
        }
    }

    /// Nil if none of the runs numbered `members`, by default all, has a number.
    private func chart(_ metric: TrainingMetric, of members: [Int]? = nil) -> Chart? {
        let lines = (members ?? Array(runs.indices)).compactMap { index in
            curves[index].line(metric, runs[index].name, colour: index).map { (index, $0) }
        }
        let series = lines.map { index, line in
            var line = line
            line.run = index
            // Bands of several runs would hide the lines.
            (line.low, line.high) = ([], [])
            return line
        }
        return Chart(
            metric.id, metric.title, metric.note, y: metric.verticalAxis(lines.map { curves[$0.0].table }),
            series: series, width: lines.filter { !$0.1.low.isEmpty }.map { curves[$0.0].width }.max() ?? 1)
    }

    private func chart(_ metric: LayerMetric, _ name: (field: String, label: String)) -> Chart? {
        let latest = runs.map { $0.record.measures.series(metric.part, name.field).last?.layers }
        let hasBars = latest.compactMap(\.self).count <= Self.barLimit
        let series = latest.enumerated().compactMap { index, layers -> Chart.Series? in
            guard let layers else { return nil }
            var line = Chart.Series(runs[index].name, layers: layers, colour: index, hasBars: hasBars)
            line.run = index
            return line
        }
        return metric.chart(name.field, metric.title(name.label), series)
    }
}
