import Base
import Checkpoints
import Foundation

/// What rank 0 tells the person who watches: one line in place on a terminal, a line every few steps elsewhere.
struct Progress {
    private var line = StatusLine(.standardOutput, isTerminal: isWatchedOnTerminal())
    private let isTalking: Bool
    private let totalSteps: Int
    private let linesEvery: Int
    private var secondsPerStep: Double?
    /// Since the last line.
    private var (images, seconds) = (0.0, 0.0)

    /// Only rank 0 is `isTalking`. Of the `remaining` steps the first few and about fifty get a line of their own; so does each that
    /// ends a minute or more after the last line.
    init(isTalking: Bool, totalSteps: Int, remaining: Int) {
        self.isTalking = isTalking
        self.totalSteps = totalSteps
        linesEvery = max(5, remaining / 50)
    }

    /// A message on a line of its own.
    mutating func say(_ text: String) {
        if isTalking { line.say(text) }
    }

    /// The state after a step that took `seconds`.
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
            format: "step %d/%d  epoch %.2f  loss %.4f  lr %.2e  %.1f images/s  %@ left", step, totalSteps,
            entry.epoch ?? .nan, entry.loss ?? .nan, entry.lr ?? .nan, images / self.seconds, readableDuration(left))
        if isDue { (images, self.seconds) = (0, 0) }
        line.show(text)
    }

    /// Ends the line in place, so that what follows, such as an error, starts on its own.
    mutating func endLine() { line.end() }
}

/// Whether the standard output ends at a terminal. mpirun gives its processes a terminal of their own, whatever its
/// output goes to; then its own output decides, where it runs on this machine.
private func isWatchedOnTerminal() -> Bool {
    guard isatty(STDOUT_FILENO) == 1 else { return false }
    guard ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil else { return true }
    let launcherOutput = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(getppid())/fd/1")
    return launcherOutput?.hasPrefix("/dev/pts/") ?? false
}
