import Base
import Collectives
import Foundation
import Kernels

/// Progress on standard error: a line updated in place on a terminal, an occasional line elsewhere.
struct ProgressLine {
    private let unit: String
    private let start = ContinuousClock.now
    private var line = StatusLine(.standardError, terminal: StatusLine.terminal(STDERR_FILENO))
    private var nextReport: ContinuousClock.Instant
    private var isSilent = false

    init(unit: String) {
        self.unit = unit
        nextReport = start
        postponeReport()
    }

    /// For work divided equally over the ranks: rank 0 reports its own, the others are silent.
    init(unit: String, of world: World) {
        self.init(unit: world.size == 1 ? unit : "\(unit) on rank 0 of \(world.size)")
        isSilent = world.rank > 0
    }

    /// Seconds since the line was made.
    var seconds: Double {
        let elapsed = ContinuousClock.now - start
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }

    /// Runs `work` and clears the line afterwards, even if it throws.
    mutating func during<Result>(_ work: (inout ProgressLine) throws -> Result) rethrows -> Result {
        defer { line.clear() }
        return try work(&self)
    }

    /// Shows `done` of `total` and, if given, the bytes produced, when it is time.
    mutating func report(_ done: Int, of total: Int, bytes: Int? = nil) {
        guard !isSilent, ContinuousClock.now >= nextReport else { return }
        postponeReport()
        let rate = Double(done) / max(seconds, 1e-9)
        let size = bytes.map { ", \($0 >> 20) MiB" } ?? ""
        let left = rate > 0 ? ", \(readableDuration(Double(total - done) / rate)) left" : ""
        line.show("\(done) of \(total) \(unit), \(100 * done / max(total, 1))%, \(Int(rate))/s\(size)\(left)")
    }

    private mutating func postponeReport() {
        nextReport = ContinuousClock.now + (line.isTerminal ? .milliseconds(200) : .seconds(10))
    }
}

func decimal(_ value: Double) -> String { String(format: "%.1f", value) }
