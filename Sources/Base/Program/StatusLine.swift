import Foundation

/// Status output: a line updated in place on a terminal, cut to its width, and separate lines elsewhere. Every text becomes a line that a
/// terminal can show.
package struct StatusLine: Sendable {
    private let output: FileHandle
    /// The descriptor of the terminal that shows the output; nil if there is none.
    private let terminal: Int32?
    private var isOpen = false
    private static let clearing = "\r\u{1B}[K"

    /// A line on `output`, which `terminal` shows if given.
    package init(_ output: FileHandle, terminal: Int32?) {
        self.output = output
        self.terminal = terminal
    }

    /// Whether the line is updated in place.
    package var isTerminal: Bool { terminal != nil }

    /// `descriptor` if it is a terminal that can update a line in place.
    package static func terminal(_ descriptor: Int32) -> Int32? {
        isatty(descriptor) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb" ? descriptor : nil
    }

    /// Replaces the previous status, or appends a line.
    package mutating func show(_ text: String) {
        write(isTerminal ? Self.clearing + fitting(text.printableLine) : text.printableLine + "\n")
        isOpen = isTerminal
    }

    /// Prints a permanent line.
    package mutating func say(_ text: String) {
        write((isTerminal ? Self.clearing : "") + text.printableLine + "\n")
        isOpen = false
    }

    /// Removes the status line.
    package mutating func clear() {
        if isOpen { write(Self.clearing) }
        isOpen = false
    }

    /// Keeps the status line and continues below it.
    package mutating func end() {
        if isOpen { write("\n") }
        isOpen = false
    }

    /// The beginning of `text` that a line of the terminal has room for: only such a line can be taken back. A last column that is written
    /// to may begin the next line.
    private func fitting(_ text: String) -> String {
        var size = winsize()
        guard let terminal, ioctl(terminal, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return text }
        return String(text.prefix(Int(size.ws_col) - 1))
    }

    private func write(_ text: String) {
        // A closed pipe or a full disk behind a redirection must not stop the program.
        try? output.write(contentsOf: Data(text.utf8))
    }
}

/// `seconds` in the two largest units: "5 d 3 h", "2 h 5 min", "4 min 10 s", "7 s".
package func readableDuration(_ seconds: Double) -> String {
    let total = Int(max(0, min(seconds, 1e12)).rounded())
    if total >= 86_400 { return "\(total / 86_400) d \(total % 86_400 / 3600) h" }
    if total >= 3600 { return "\(total / 3600) h \(total % 3600 / 60) min" }
    return total >= 60 ? "\(total / 60) min \(total % 60) s" : "\(total) s"
}

/// Prints a line for people on standard error, behind the name of the program, on any thread.
package func printError(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data("crate: \(text.printableLine)\n".utf8))
}
