import Checkpoints

/// A number of the log that has a chart of its own.
struct TrainingMetric {
    var id: String
    var title: String
    /// A sentence on how to read its chart.
    var note: String
    var field: LogField
    /// Label of the vertical axis with its unit.
    var axis: String
    var scale = 1.0
    /// Whether it is known after evaluations only.
    var isEvaluation = false
    /// The axis is logarithmic where the greatest value is so many times the least; nil for an axis that begins at zero.
    var logarithmicFrom: Double?

    static let trainingLoss = TrainingMetric(
        id: "training-loss", title: "Training loss", note: "Mean over the step's batch.", field: .loss, axis: "loss",
        logarithmicFrom: 3)
    static let validationLoss = TrainingMetric(
        id: "validation-loss", title: "Validation loss", note: "Mean over the validation set.", field: .validationLoss,
        axis: "loss", isEvaluation: true, logarithmicFrom: 3)
    static let averagedLoss = TrainingMetric(
        id: "averaged-loss", title: "Validation loss, averaged weights",
        note: "Mean over the validation set, of the moving average of the weights.", field: .validationLossAverage,
        axis: "loss", isEvaluation: true, logarithmicFrom: 3)
    static let top1 = TrainingMetric(
        id: "top-1", title: "Top-1 accuracy", note: "Samples of the validation set whose class is the first.",
        field: .validationTop1, axis: "accuracy in %", scale: 100, isEvaluation: true, logarithmicFrom: .infinity)
    static let top5 = TrainingMetric(
        id: "top-5", title: "Top-5 accuracy",
        note: "Samples of the validation set whose class is among the first five.", field: .validationTop5,
        axis: "accuracy in %", scale: 100, isEvaluation: true, logarithmicFrom: .infinity)
    static let averagedTop1 = TrainingMetric(
        id: "averaged-top-1", title: "Top-1 accuracy, averaged weights",
        note: "Of the moving average of the weights.", field: .validationTop1Average, axis: "accuracy in %", scale: 100,
        isEvaluation: true, logarithmicFrom: .infinity)
    static let neighbours = TrainingMetric(
        id: "neighbours", title: "Nearest neighbours",
        note: "Samples of the validation set whose class the nearest training samples name, by the encoder's features.",
        field: .validationNeighbours, axis: "accuracy in %", scale: 100, isEvaluation: true,
        logarithmicFrom: .infinity)
    static let learningRate = TrainingMetric(
        id: "learning-rate", title: "Learning rate", note: "", field: .lr, axis: "learning rate")
    static let gradientNorm = TrainingMetric(
        id: "gradient-norm", title: "Gradient norm", note: "Of all gradients together, before clipping.",
        field: .gradNorm, axis: "global norm", logarithmicFrom: 20)
    static let throughput = TrainingMetric(
        id: "throughput", title: "Throughput", note: "Over all ranks.", field: .imagesPerSecond, axis: "images / s")

    /// The vertical axis for the numbers of `tables`.
    func verticalAxis(_ tables: [StepTable]) -> Chart.Axis {
        guard let logarithmicFrom else { return .init(title: axis, beginsAtZero: true) }
        return .init(title: axis, fitting: tables.flatMap { $0.column(field) }, ratio: logarithmicFrom)
    }
}

/// The numbers of a log as lines of charts.
struct RunCurves {
    let table: StepTable
    let range: ClosedRange<Int>

    init(_ table: StepTable) {
        self.table = table
        range = (table.steps.first ?? 0)...(table.steps.last ?? 0)
    }

    /// Steps per point.
    var width: Int { SampledColumn.width(of: range) }

    /// `values`, one for each row, as points.
    func sampled(_ values: [Double], isContinuous: Bool = true) -> SampledColumn {
        SampledColumn(values, steps: table.steps, range: range, isContinuous: isContinuous)
    }

    /// Nil if there is no number.
    func line(_ metric: TrainingMetric, _ name: String, colour: Int = 0) -> Chart.Series? {
        guard !table.isEmpty(metric.field) else { return nil }
        let column = sampled(table.column(metric.field), isContinuous: !metric.isEvaluation)
        var series = Chart.Series(name, column, scale: metric.scale, colour: colour)
        series.hasPoints = metric.isEvaluation && column.steps.count < 60
        return series
    }
}

extension Chart {
    /// A chart over steps, `width` of them a point; nil without series.
    init?(_ id: String, _ title: String, _ note: String, y: Axis, series: [Series], width: Int) {
        guard !series.isEmpty else { return nil }
        let band = series.contains { !$0.low.isEmpty } ? "; the band: from the least to the greatest." : "."
        let point = width > 1 ? "A point: the mean of up to \(readable(whole: width)) steps\(band)" : ""
        self.init(
            id: id, title: title, note: [note, point].filter { !$0.isEmpty }.joined(separator: " "), y: y,
            series: series, stepsPerPoint: width > 1 ? width : nil)
    }
}
