import Checkpoints

/// The contents of `log.jsonl` and `incidents.jsonl`.
struct RunHistory {
    /// The numbers of all steps and evaluations.
    private(set) var table = StepTable()
    /// In the order of the steps.
    private(set) var incidents: [Incident] = []
    /// Epochs per step.
    private(set) var epochsPerStep: Double?

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
