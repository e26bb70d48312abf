/// Something that did not go by plan.
struct Incident: Equatable {
    /// Where it happened: steps done, or a range of steps.
    var place: String
    /// What happened, in a sentence.
    var text: String
    /// When, where it is known.
    var time: String?
    /// Steps done when it happened, for the order; incidents without one come last.
    var step: Int?

    /// An incident of the steps `first` to `last`.
    init(steps first: Int, to last: Int, _ text: String) {
        self.init(place: first == last ? "step \(first)" : "steps \(first) to \(last)", text: text, step: first)
    }

    init(place: String, text: String, time: String? = nil, step: Int? = nil) {
        self.place = place
        self.text = text
        self.time = time
        self.step = step
    }
}

/// Incidents of steps in a row, told as one.
struct IncidentRange {
    private(set) var found: [Incident] = []
    private var open: (first: Int, last: Int, total: Double)?
    private let text: (_ steps: Int, _ total: Double) -> String

    init(text: @escaping (_ steps: Int, _ total: Double) -> String) { self.text = text }

    /// Takes note of `amount` at `step`; steps rise.
    mutating func note(step: Int, amount: Double = 1) {
        if let range = open, step == range.last + 1 {
            open = (range.first, step, range.total + amount)
        } else {
            close()
            open = (step, step, amount)
        }
    }

    /// Ends the range that is open.
    mutating func close() {
        guard let range = open else { return }
        found.append(Incident(steps: range.first, to: range.last, text(range.last - range.first + 1, range.total)))
        open = nil
    }
}
