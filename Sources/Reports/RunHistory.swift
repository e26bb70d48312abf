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
        var skipped = IncidentRange { count, _ in
            "\(count == 1 ? "the step" : "\(count) steps") changed nothing: loss or gradients were not finite"
        }
        var substituted = IncidentRange { _, total in
            "\(Int(min(total, 1e15))) damaged samples, which others stood in for"
        }
        let columns = (skipped: table.column(.skipped), substituted: table.column(.substituted))
        var previous: Int?
        for (row, step) in table.steps.enumerated() {
            if columns.skipped[row] > 0 { skipped.note(step: step) }
            if columns.substituted[row] > 0 { substituted.note(step: step, amount: columns.substituted[row]) }
            if let first = previous.map({ $0 + 1 }) ?? (step > 1 ? 1 : nil), first < step {
                incidents.append(Incident(steps: first, to: step - 1, "missing from the log"))
            }
            previous = step
        }
        skipped.close()
        substituted.close()
        incidents += skipped.found + substituted.found
    }
}
