import Foundation

/// How far a command is, on standard error: one line kept up to date on a terminal, a line now and then elsewhere.
struct ProgressLine {
    private let unit: String
    private let start = ContinuousClock.now
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var nextReport: ContinuousClock.Instant
    private var isShown = false

    init(unit: String) {
        self.unit = unit
        nextReport = start
        postponeReport()
    }

    /// The seconds since the line was made.
    var seconds: Double {
        let elapsed = ContinuousClock.now - start
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }

    /// Runs `work` and clears the line afterwards, whether it throws or not, so that what follows starts on its own.
    mutating func during<Result>(_ work: (inout ProgressLine) throws -> Result) rethrows -> Result {
        defer { clear() }
        return try work(&self)
    }

    /// Shows `done` of `total`, if it is time to.
    mutating func report(_ done: Int, of total: Int) {
        guard ContinuousClock.now >= nextReport else { return }
        postponeReport()
        let rate = Int(Double(done) / max(seconds, 1e-9))
        let text = "\(done) of \(total) \(unit), \(100 * done / max(total, 1))%, \(rate)/s"
        write(isTerminal ? "\r\u{1B}[K" + text : text + "\n")
        isShown = true
    }

    private mutating func clear() {
        if isTerminal && isShown { write("\r\u{1B}[K") }
        isShown = false
    }

    private mutating func postponeReport() {
        nextReport = ContinuousClock.now + (isTerminal ? .milliseconds(200) : .seconds(10))
    }

    private func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}

/// `value` with one digit behind the point.
func decimal(_ value: Double) -> String { String(format: "%.1f", value) }
