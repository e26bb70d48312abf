import Collectives
import Foundation

/// How far a command is, on standard error: one line kept up to date on a terminal, a line now and then elsewhere.
struct ProgressLine {
    private let unit: String
    private let start = ContinuousClock.now
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var nextReport: ContinuousClock.Instant
    private var isShown = false
    private var isSilent = false

    init(unit: String) {
        self.unit = unit
        nextReport = start
        postponeReport()
    }

    /// Of work that all ranks have about equal shares of: rank 0 tells of its own, the others are silent.
    init(unit: String, of world: World) {
        self.init(unit: world.size == 1 ? unit : "\(unit) on rank 0 of \(world.size)")
        isSilent = world.rank > 0
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

    /// Shows `done` of `total` and, if given, the bytes that came of them, if it is time to.
    mutating func report(_ done: Int, of total: Int, bytes: Int? = nil) {
        guard !isSilent, ContinuousClock.now >= nextReport else { return }
        postponeReport()
        let rate = Double(done) / max(seconds, 1e-9)
        let size = bytes.map { ", \($0 >> 20) MiB" } ?? ""
        let left = rate > 0 ? ", \(duration(Double(total - done) / rate)) left" : ""
        let text = "\(done) of \(total) \(unit), \(100 * done / max(total, 1))%, \(Int(rate))/s\(size)\(left)"
        write(isTerminal ? "\r\u{1B}[K" + text : text + "\n")
        isShown = true
    }

    /// "1:02:03" or "2:03".
    private func duration(_ seconds: Double) -> String {
        let seconds = Int(min(seconds, 1e9))
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return (hours > 0 ? String(format: "%d:%02d", hours, minutes) : String(minutes))
            + String(format: ":%02d", seconds % 60)
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
