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

/// Consecutive incidents merged into one.
struct IncidentRange {
    private(set) var found: [Incident] = []
    private var open: (first: Int, last: Int, total: Double)?
    private let text: (_ steps: Int, _ total: Double) -> String

    init(text: @escaping (_ steps: Int, _ total: Double) -> String) { self.text = text }

    /// `step` rises from call to call.
    mutating func note(step: Int, amount: Double = 1) {
        if let range = open, step == range.last + 1 {
            open = (range.first, step, range.total + amount)
        } else {
            close()
            open = (step, step, amount)
        }
    }

    /// Ends the open range.
    mutating func close() {
        guard let range = open else { return }
        found.append(Incident(steps: range.first, to: range.last, text(range.last - range.first + 1, range.total)))
        open = nil
    }
}
