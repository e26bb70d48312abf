import Checkpoints

/// The charts over the steps of a run.
struct TrainingCharts {
    private static let markLimit = 100

    private let table: StepTable
    private let clip: Double?
    private let incidents: [Chart.Mark]
    private let epochsPerStep: Double?
    private let range: ClosedRange<Int>

    /// Charts of `history`, of a run that clips its gradients to the norm `clip`.
    init(_ history: RunHistory, clip: Double?) {
        table = history.table
        self.clip = clip
        incidents = history.incidents.compactMap { incident in
            incident.step.map { .init(x: Double($0), text: "\(incident.place): \(incident.text)") }
        }.prefix(Self.markLimit).map(\.self)
        epochsPerStep = history.epochsPerStep
        range = (table.steps.first ?? 0)...(table.steps.last ?? 0)
    }

    var learning: [Chart] {
        let learningRate = chart(
            "learning-rate", "Learning rate", "", .init(title: "learning rate", beginsAtZero: true),
            line(.lr, "learning rate"))
        let accuracy = chart(
            "accuracy", "Validation accuracy",
            "Samples of the validation set whose class is the first, or among the first five.",
            .init(title: "accuracy in %"),
            evaluations(.validationTop1, "top 1", scale: 100)
                + evaluations(.validationTop5, "top 5", scale: 100, colour: 1)
                + evaluations(.validationTop1Average, "top 1, averaged weights", scale: 100, colour: 2))
        let neighbours = chart(
            "neighbours", "Nearest neighbours",
            "Samples of the validation set whose class the nearest training samples name, by the encoder's features.",
            .init(title: "accuracy in %"), evaluations(.validationNeighbours, "nearest neighbours", scale: 100))
        return [loss, accuracy, neighbours, learningRate, gradientNorm].compactMap(\.self)
    }

    var time: [Chart] {
        let throughput = chart(
            "throughput", "Throughput", "Over all ranks.", .init(title: "images / s", beginsAtZero: true),
            line(.imagesPerSecond, "throughput"))
        let parts = times(
            "time-split", "Time of a step",
            "On rank 0. Waiting for samples counts as data, waiting for other ranks as communication.",
            [(.computeSeconds, "compute"), (.dataSeconds, "data"), (.communicationSeconds, "communication")])
        let slowest = times(
            "slowest-time", "Time of the slowest rank",
            "The rank that worked longest at each step, until all gradients were there.",
            [(.slowestComputeSeconds, "compute"), (.slowestDataSeconds, "data"), (.slowestWaitSeconds, "waiting")])
        return [throughput, parts, slowestRank, slowest].compactMap(\.self)
    }

    private var loss: Chart? {
        var chart = chart(
            "loss", "Loss", "Training: mean over the step's batch. Validation: mean over the validation set.",
            .init(title: "loss", fitting: table.column(.loss) + table.column(.validationLoss), ratio: 3),
            line(.loss, "training") + evaluations(.validationLoss, "validation", colour: 1)
                + evaluations(.validationLossAverage, "validation, averaged weights", colour: 2))
        chart?.isWide = true
        chart?.marks = incidents
        return chart
    }

    private var gradientNorm: Chart? {
        var chart = chart(
            "gradient-norm", "Gradient norm", "Of all gradients together, before clipping.",
            .init(title: "global norm", fitting: table.column(.gradNorm), ratio: 20),
            line(.gradNorm, "gradient norm"))
        if let clip { chart?.rules = [.init(name: "clipped to \(clip.formatted())", value: clip)] }
        return chart
    }

    private var slowestRank: Chart? {
        // Even a single row: a rank that is always the slowest is what a reader has to see.
        let ranks = RankShares(table, in: range)
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

    private func sampled(_ values: [Double], isContinuous: Bool = true) -> SampledColumn {
        SampledColumn(values, steps: table.steps, range: range, isContinuous: isContinuous)
    }

    /// Empty if there is no number.
    private func line(_ field: LogField, _ name: String) -> [Chart.Series] {
        table.isEmpty(field) ? [] : [.init(name, sampled(table.column(field)))]
    }

    /// Empty if there is no number.
    private func evaluations(_ field: LogField, _ name: String, scale: Double = 1, colour: Int = 0) -> [Chart.Series] {
        guard !table.isEmpty(field) else { return [] }
        let column = sampled(table.column(field), isContinuous: false)
        var series = Chart.Series(name, column, scale: scale, colour: colour)
        series.hasPoints = column.steps.count < 60
        return [series]
    }

    private func times(_ id: String, _ title: String, _ note: String, _ parts: [(column: LogField, name: String)])
        -> Chart?
    {
        let known = parts.enumerated().filter { !table.isEmpty($0.element.column) }
        // Areas are stacked at every point: a step counts if all of them are known.
        let values = known.map { table.column($0.element.column) }
        let isWhole = table.steps.indices.map { row in values.allSatisfy { $0[row].isFinite } }
        let columns = values.map { sampled(zip($0, isWhole).map { $1 ? $0 : .nan }) }
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

    private func chart(_ id: String, _ title: String, _ note: String, _ y: Chart.Axis, _ series: [Chart.Series])
        -> Chart?
    {
        guard !series.isEmpty else { return nil }
        let width = SampledColumn.width(of: range)
        let hasBand = series.contains { !$0.low.isEmpty }
        let band = hasBand ? "; the band: from the least to the greatest." : "."
        let point = width > 1 ? "A point: the mean of \(width) steps\(band)" : ""
        return Chart(
            id: id, title: title, note: [note, point].filter { !$0.isEmpty }.joined(separator: " "), y: y,
            series: series, stepsPerPoint: width > 1 ? width : nil, epochsPerStep: epochsPerStep)
    }
}
