import Base
import Checkpoints
import Foundation
import Loader

/// Progress output of rank 0: a line updated in place on a terminal, a line every few steps elsewhere.
struct Progress {
    private var line = StatusLine(.standardOutput, terminal: watchingTerminal())
    private let isTalking: Bool
    private let totalSteps: Int
    private let linesEvery: Int
    private var secondsPerStep: Double?
    /// Since the last line.
    private var (images, seconds) = (0.0, 0.0)

    /// Only rank 0 is `isTalking`. The first steps, about fifty of the `remaining` steps, and any step that ends a minute after the last line
    /// get a line.
    init(isTalking: Bool, totalSteps: Int, remaining: Int) {
        self.isTalking = isTalking
        self.totalSteps = totalSteps
        linesEvery = max(5, remaining / 50)
    }

    /// Prints a permanent line.
    mutating func say(_ text: String) {
        if isTalking { line.say(text) }
    }

    mutating func show(_ entry: LogEntry, seconds: Double) {
        guard isTalking else { return }
        secondsPerStep = secondsPerStep.map { 0.9 * $0 + 0.1 * seconds } ?? seconds
        let step = entry.step ?? 0
        images += (entry.imagesPerSecond ?? 0) * seconds
        self.seconds += seconds
        let isDue = [1, 2, 5].contains(step) || step % linesEvery == 0 || step == totalSteps || self.seconds >= 60
        guard line.isTerminal || isDue else { return }
        let left = Double(totalSteps - step) * (secondsPerStep ?? 0)
        let text = String(
            format: "step %ld/%ld  epoch %.2f  loss %.4f  lr %.2e  %.1f images/s  %@ left", step, totalSteps,
            entry.epoch ?? .nan, entry.loss ?? .nan, entry.lr ?? .nan, images / self.seconds, readableDuration(left))
        if isDue { (images, self.seconds) = (0, 0) }
        line.show(text)
    }

    /// Ends the status line, so that later output starts on a new line.
    mutating func endLine() { line.end() }
}

/// The terminal that shows standard output, if any. mpirun gives its processes pseudo-terminals; then its own output decides, if it runs on
/// this host. It stays open for the process.
private func watchingTerminal() -> Int32? {
    guard let own = StatusLine.terminal(STDOUT_FILENO) else { return nil }
    guard ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil else { return own }
    let path = "/proc/\(getppid())/fd/1"
    let output = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
    guard output?.hasPrefix("/dev/pts/") ?? false else { return nil }
    let launcher = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC)
    return launcher < 0 ? own : launcher
}

/// Warns once about each corrupt sample, on the rank that met it.
struct CorruptSampleReport {
    private let rank: Int
    private var told: Set<Int> = []
    /// Bounds memory and output for a largely corrupt data set; further samples are only counted in the log.
    private static let limit = 1000

    init(rank: Int) { self.rank = rank }

    mutating func tell(_ substitutions: [Substitution]) {
        for substitution in substitutions where told.count < Self.limit && told.insert(substitution.sample).inserted {
            printError(
                "warning: rank \(rank): sample \(substitution.substitute) stands in for sample \(substitution.sample): "
                    + "\(substitution.damage)")
        }
    }
}
