import Base
import Checkpoints
import Foundation

/// Everything in a run directory that can be shown without computing the model.
struct RunRecord {
    /// The last component of its path.
    let name: String
    /// Nil if missing or corrupt.
    let settings: RunSettings?
    let history: RunHistory
    let measures: MetricsHistory
    /// Number of values in the newest checkpoint's model; nil if none is readable.
    let parameterCount: Int?
    /// Unreadable files and the like, one sentence each.
    private(set) var remarks: [String] = []

    /// Reads the run at `path`. Throws `Failure` if there is no run; missing or corrupt parts are not errors.
    init(path: String) throws {
        let manager = FileManager.default
        var isDirectory: ObjCBool = false
        guard manager.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw Failure("there is no run directory \(path)", hint: "give the --run of a training command")
        }
        let files: [RunFile] = [.configuration, .log]
        let present = files.filter { manager.fileExists(atPath: $0.path(in: path)) }
        guard !present.isEmpty else {
            throw Failure(
                "\(path) is no run: it holds none of \(files.map(\.name).joined(separator: ", "))",
                hint: "give the --run of a training command")
        }
        name = URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
        settings = try? RunSettings.read(run: path)
        history = RunHistory(run: path)
        measures = MetricsHistory(run: path)
        parameterCount = Self.parameterCount(CheckpointStore(run: path).paths().last)
        if settings == nil {
            let name = RunFile.configuration.name
            remarks.append(present.contains(.configuration) ? "\(name) is damaged." : "There is no \(name).")
        }
        if history.table.steps.isEmpty { remarks.append("The log holds no step yet.") }
        if measures.damage.lines > 0 || measures.damage.isCut {
            remarks.append("Some lines of \(RunFile.measures.name) cannot be read; the others are shown.")
        }
    }

    /// Images of a step's batch over all ranks; nil if unknown.
    var imagesPerStep: Int? { settings?["batch-size"]?.count.flatMap { $0 > 0 ? $0 : nil } }

    private static func parameterCount(_ checkpoint: String?) -> Int? {
        guard let checkpoint, let reader = try? SafetensorsReader(path: "\(checkpoint)/\(CheckpointStore.modelFile)")
        else { return nil }
        return reader.tensors.values.reduce(0) { $0 + $1.count }
    }
}

extension RunSettings {
    /// The number that `name` resolved to.
    subscript(name: String) -> JSONValue? { resolved[name].flatMap(Double.init).map(JSONValue.number) }

    /// The resolved settings, and options that do not affect what is computed.
    var all: [String: String] { resolved.merging(options) { resolved, _ in resolved } }
}

/// The contents of `log.jsonl` and `incidents.jsonl`.
struct RunHistory {
    /// The numbers of all steps and evaluations.
    private(set) var table = StepTable()
    /// In the order of the steps.
    private(set) var incidents: [Incident] = []
    private(set) var epochsPerStep: Double?

    /// The number of ranks that the log proves, if it holds a step: one, or at least two where it names the slowest.
    var leastRanks: Int? {
        guard !table.isEmpty(.computeSeconds) else { return nil }
        let slowest = table.column(.slowestRank).filter(\.isFinite).max()
        return slowest.map { Int(max(1, min($0, 1e6)).rounded()) + 1 } ?? 1
    }

    /// Reads the history of the run directory `run`. Missing or unreadable parts are listed as incidents.
    init(run: String) {
        let damage = JSONLines.read(RunFile.log.path(in: run)) { add($0) }
        addRanges()
        let supervised = JSONLines.read(RunFile.incidents.path(in: run)) { fields in
            guard let text = fields["what"]?.text else { return }
            let step = fields["step"]?.count
            incidents.append(
                Incident(
                    place: step.map { "after step \($0)" } ?? "", text: text, time: fields["time"]?.text, step: step))
        }
        // The sort is stable, so equal steps keep their order.
        incidents.sort { ($0.step ?? .max) < ($1.step ?? .max) }
        for (name, damage) in [(RunFile.log.name, damage), (RunFile.incidents.name, supervised)] {
            if damage.lines > 0 {
                incidents.append(
                    Incident(place: name, text: "\(damage.lines) lines cannot be read; the others are shown"))
            }
            if damage.isCut {
                incidents.append(Incident(place: name, text: "the last line is cut off; all before it are shown"))
            }
        }
    }

    private mutating func add(_ fields: [String: JSONValue]) {
        if let event = fields[LogField.event.rawValue]?.text {
            let step = table.steps.last ?? 0
            incidents.append(Incident(place: "after step \(step)", text: event, step: step))
        }
        guard let step = fields[LogField.step.rawValue]?.count else { return }
        var values: [LogField: Double] = [:]
        for (name, value) in fields {
            guard let field = LogField(rawValue: name), let number = value.number else { continue }
            values[field] = number
        }
        // A step and its evaluation have the same epoch.
        if let epoch = values[.epoch], step > 0 { epochsPerStep = epoch / Double(step) }
        (values[.step], values[.epoch]) = (nil, nil)
        if fields[LogField.skipped.rawValue] == .flag(true) { values[.skipped] = 1 }
        if let abandoned = table.add(values, step: step) {
            incidents.append(
                Incident(steps: step, to: abandoned, "done again: the run went back, and the later lines are shown"))
        }
    }

    private mutating func addRanges() {
        for (previous, step) in zip([0] + table.steps, table.steps) where previous + 1 < step {
            incidents.append(Incident(steps: previous + 1, to: step - 1, "missing from the log"))
        }
        for (first, last, _) in table.ranges(.skipped) {
            let steps = first == last ? "the step" : "\(last - first + 1) steps"
            let text = "\(steps) changed nothing: loss or gradients were not finite"
            incidents.append(Incident(steps: first, to: last, text))
        }
        for (first, last, total) in table.ranges(.substituted) {
            let text = "\(Int(min(total, 1e15))) damaged samples, which others stood in for"
            incidents.append(Incident(steps: first, to: last, text))
        }
    }
}

/// An event that was not planned.
struct Incident: Equatable {
    /// Steps done, or a range of steps.
    var place: String
    /// A sentence.
    var text: String
    /// When it happened, if known.
    var time: String?
    /// Steps done when it happened, for the order; incidents without one come last.
    var step: Int?

}

extension Incident {
    init(steps first: Int, to last: Int, _ text: String) {
        self.init(place: first == last ? "step \(first)" : "steps \(first) to \(last)", text: text, step: first)
    }
}
