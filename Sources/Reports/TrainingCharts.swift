import Checkpoints

/// The charts over the steps of a run.
struct TrainingCharts {
    private static let markLimit = 100

    private let curves: RunCurves
    private let clip: Double?
    private let incidents: [Chart.Mark]
    private let epochsPerStep: Double?

    private var table: StepTable { curves.table }

    /// Charts of `history`, of a run that clips its gradients to the norm `clip`.
    init(_ history: RunHistory, clip: Double?) {
        curves = RunCurves(history.table)
        self.clip = clip
        incidents = history.incidents.compactMap { incident in
            incident.step.map { .init(x: Double($0), text: "\(incident.place): \(incident.text)") }
        }.prefix(Self.markLimit).map(\.self)
        epochsPerStep = history.epochsPerStep
    }

    var learning: [Chart] {
        let accuracy = chart(
            "accuracy", "Validation accuracy",
            "Samples of the validation set whose class is the first, or among the first five.",
            TrainingMetric.top1.verticalAxis([table]),
            [
                curves.line(.top1, "top 1"), curves.line(.top5, "top 5", colour: 1),
                curves.line(.averagedTop1, "top 1, averaged weights", colour: 2),
            ].compactMap(\.self))
        return [loss, accuracy, chart(.neighbours), chart(.learningRate), gradientNorm].compactMap(\.self)
    }

    var time: [Chart] {
        let parts = times(
            "time-split", "Time of a step",
            "On rank 0. Waiting for samples counts as data, waiting for other ranks as communication.",
            [(.computeSeconds, "compute"), (.dataSeconds, "data"), (.communicationSeconds, "communication")])
        let slowest = times(
            "slowest-time", "Time of the slowest rank",
            "The rank that worked longest at each step, until all gradients were there.",
            [(.slowestComputeSeconds, "compute"), (.slowestDataSeconds, "data"), (.slowestWaitSeconds, "waiting")])
        return [chart(.throughput), parts, slowestRank, slowest].compactMap(\.self)
    }

    private var loss: Chart? {
        var chart = chart(
            "loss", "Loss", "Training: mean over the step's batch. Validation: mean over the validation set.",
            .init(title: "loss", fitting: table.column(.loss) + table.column(.validationLoss), ratio: 3),
            [
                curves.line(.trainingLoss, "training"), curves.line(.validationLoss, "validation", colour: 1),
                curves.line(.averagedLoss, "validation, averaged weights", colour: 2),
            ].compactMap(\.self))
        chart?.isWide = true
        chart?.marks = incidents
        return chart
    }

    private var gradientNorm: Chart? {
        var chart = chart(.gradientNorm)
        if let clip { chart?.rules = [.init(name: "clipped to \(clip.formatted())", value: clip)] }
        return chart
    }

    private var slowestRank: Chart? {
        // Even a single row: a rank that is always the slowest is what a reader has to see.
        let ranks = RankShares(table, in: curves.range)
        var chart = chart(
            "slowest-rank", "Slowest rank",
            "How often each rank was the one that the others waited for."
                + (ranks.isComplete ? "" : " The \(RankShares.rowLimit) ranks that were it most often."),
            .init(title: "rank"), ranks.rows)
        chart?.kind = .heat
        chart?.stepsPerPoint = ranks.width
        return chart
    }

    // ---- parts ----

    private func times(_ id: String, _ title: String, _ note: String, _ parts: [(column: LogField, name: String)])
        -> Chart?
    {
        let known = parts.enumerated().filter { !table.isEmpty($0.element.column) }
        // Areas are stacked at every point: a step counts if all of them are known.
        let values = known.map { table.column($0.element.column) }
        let isWhole = table.steps.indices.map { row in values.allSatisfy { $0[row].isFinite } }
        let columns = values.map { curves.sampled(zip($0, isWhole).map { $1 ? $0 : .nan }) }
        guard columns.contains(where: { !$0.isEmpty }) else { return nil }
        // In milliseconds if a step takes less than a second.
        let isShort = columns.allSatisfy { ($0.mean.filter(\.isFinite).max() ?? 0) < 1 }
        let series = zip(known, columns).map { part, column in
            Chart.Series(
                name: part.element.name, x: column.steps, y: shown(column.mean, isShort ? 1000 : 1), colour: part.offset
            )
        }
        var chart = chart(id, title, note, .init(title: isShort ? "ms / step" : "s / step", beginsAtZero: true), series)
        chart?.kind = .stack
        return chart
    }

    /// `metric` alone; nil if there is no number.
    private func chart(_ metric: TrainingMetric) -> Chart? {
        let line = curves.line(metric, metric.title.lowercased())
        return chart(metric.id, metric.title, metric.note, metric.verticalAxis([table]), [line].compactMap(\.self))
    }

    private func chart(_ id: String, _ title: String, _ note: String, _ y: Chart.Axis, _ series: [Chart.Series])
        -> Chart?
    {
        var chart = Chart(id, title, note, y: y, series: series, width: curves.width)
        chart?.epochsPerStep = epochsPerStep
        return chart
    }
}
