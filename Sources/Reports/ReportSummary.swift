import Base
import Checkpoints

/// The results of a run in a few numbers.
struct ReportSummary {
    typealias Tile = (name: String, value: String, note: String)

    /// Numbers with their names and notes, in the order in which they are shown.
    private(set) var tiles: [Tile] = []

    init(_ run: RunRecord) {
        let table = run.history.table
        addProgress(run)
        addLoss(table)
        let accuracies = [
            ("Top-1 accuracy", LogField.validationTop1), ("Top-5 accuracy", .validationTop5),
            ("Nearest neighbours", .validationNeighbours),
        ]
        for (name, column) in accuracies {
            guard let last = table.last(column), let best = table.column(column).filter(\.isFinite).max() else {
                continue
            }
            add(name, "\(readable(100 * last)) %", "validation set, at the end; best \(readable(100 * best)) %")
        }
        addTime(table)
        addModel(run)
        addProcesses(run)
        add(
            "Incidents", readable(whole: run.history.incidents.count), "skipped steps, damaged samples, gaps, restarts")
    }

    private mutating func add(_ name: String, _ value: String, _ note: String) {
        tiles.append((name, value, note))
    }

    private mutating func addProgress(_ run: RunRecord) {
        guard let done = run.history.table.steps.last else { return }
        let total = run.settings?["steps"]?.count
        let epochs = run.history.epochsPerStep.map { "\(readable(Double(done) * $0)) epochs" }
        let batch = run.settings?["batch-size"]?.count.map { "\(readable(whole: $0)) images a step" }
        add(
            "Steps", readable(whole: done) + (total.map { " of \(readable(whole: $0))" } ?? ""),
            [epochs, batch].compactMap(\.self).joined(separator: ", "))
        if let images = run.imagesPerStep {
            let samples = run.settings?["samples"]?.count.map { "\(readable(whole: $0)) in the data set" }
            add("Images seen", readable(Double(done) * Double(images), digits: 0), samples ?? "")
        }
    }

    private mutating func addLoss(_ table: StepTable) {
        let losses = table.column(.loss).filter(\.isFinite)
        if !losses.isEmpty {
            // A single step is noisy.
            let last = losses.suffix(max(1, losses.count / 50))
            add(
                "Training loss", readable(last.reduce(0, +) / Double(last.count)),
                last.count == 1 ? "last step" : "mean of the last \(readable(whole: last.count)) steps")
        }
        let validation = zip(table.steps, table.column(.validationLoss)).filter(\.1.isFinite)
        if let last = validation.last, let best = validation.min(by: { $0.1 < $1.1 }) {
            add(
                "Validation loss", readable(last.1),
                "after \(readable(whole: last.0)) steps; least \(readable(best.1)) after \(readable(whole: best.0))")
        }
    }

    private mutating func addTime(_ table: StepTable) {
        let rates = table.column(.imagesPerSecond).filter(\.isFinite).sorted()
        if !rates.isEmpty {
            add("Throughput", "\(readable(rates[rates.count / 2], digits: 3)) images/s", "median over the steps")
        }
        let sums = [
            ("data", LogField.dataSeconds), ("compute", .computeSeconds), ("communication", .communicationSeconds),
        ]
        .map { ($0, table.column($1).filter(\.isFinite).reduce(0, +)) }
        let total = sums.reduce(0) { $0 + $1.1 }
        guard total > 0 else { return }
        add(
            "Time in steps", readable(seconds: total),
            sums.map { "\(readable(100 * $0.1 / total, digits: 2)) % \($0.0)" }.joined(separator: ", "))
    }

    private mutating func addModel(_ run: RunRecord) {
        func number(_ name: String) -> String? { run.settings?[name]?.count.map { readable(whole: $0) } }
        let depths = [number("depth"), number("decoder-depth")].compactMap(\.self).joined(separator: " + ")
        let parts = [
            number("dim").map { "width \($0)" }, depths.isEmpty ? nil : "depth \(depths)",
            number("heads").map { "\($0) heads" }, number("image-size").map { "\($0) pixels" },
            number("patch-size").map { "patches of \($0)" },
        ].compactMap(\.self)
        if let count = run.parameterCount {
            let size = count < 1_000_000 ? readable(whole: count) : "\(readable(Double(count) / 1e6)) M"
            add("Model", "\(size) parameters", parts.joined(separator: ", "))
        } else if let first = parts.first {
            add("Model", first, parts.dropFirst().joined(separator: ", "))
        }
    }

    private mutating func addProcesses(_ run: RunRecord) {
        let virtual = run.settings?["virtual-ranks"]?.count
        let threads = run.settings?.options["threads"].flatMap(Int.init).map { "\(counted($0, "thread")) each" }
        if let least = run.history.leastRanks {
            // Virtual ranks are divided evenly over the ranks.
            let isExact = least == 1 || least == virtual
            let division = virtual.map { "\(readable(whole: $0)) virtual" }
            add(
                "Ranks", (isExact ? "" : "at least ") + readable(whole: least),
                [threads, division].compactMap(\.self).joined(separator: ", "))
        }
        if let precision = run.settings?.all["precision"] { add("Precision", precision, "of matrix products") }
    }
}
