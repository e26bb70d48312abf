import Foundation

/// Text for the person who watches: a line that is kept up to date in place on a terminal, lines below each other elsewhere.
package struct StatusLine: Sendable {
    /// Whether lines are kept in place.
    package let isTerminal: Bool
    private let output: FileHandle
    private var isOpen = false
    private static let clearing = "\r\u{1B}[K"

    /// A line on `output`.
    package init(_ output: FileHandle, isTerminal: Bool) {
        self.output = output
        self.isTerminal = isTerminal
    }

    /// Puts `text` in the place of the line before it, or below.
    package mutating func show(_ text: String) {
        write(isTerminal ? Self.clearing + text : text + "\n")
        isOpen = isTerminal
    }

    /// A message on a line of its own, which stays.
    package mutating func say(_ text: String) {
        write((isTerminal ? Self.clearing : "") + text + "\n")
        isOpen = false
    }

    /// Removes the line in place, so that what follows starts where it was.
    package mutating func clear() {
        if isOpen { write(Self.clearing) }
        isOpen = false
    }

    /// Leaves the line in place as it is, and what follows below it.
    package mutating func end() {
        if isOpen { write("\n") }
        isOpen = false
    }

    private func write(_ text: String) {
        // Nobody listening, or a full disk behind a redirection, is no reason to stop.
        try? output.write(contentsOf: Data(text.utf8))
    }
}

/// `seconds` in its two largest units: "5 d 3 h", "2 h 5 min", "4 min 10 s", "7 s".
package func readableDuration(_ seconds: Double) -> String {
    let total = Int(max(0, min(seconds, 1e12)).rounded())
    if total >= 86_400 { return "\(total / 86_400) d \(total % 86_400 / 3600) h" }
    if total >= 3600 { return "\(total / 3600) h \(total % 3600 / 60) min" }
    return total >= 60 ? "\(total / 60) min \(total % 60) s" : "\(total) s"
}
