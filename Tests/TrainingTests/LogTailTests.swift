import Checkpoints
import Foundation
import Testing
import Training

/// What a resumed run keeps of its log.
@Suite struct LogTailTests {
    private func kept(_ lines: [String], through step: Int, isCut: Bool = false) -> [String] {
        let text = lines.joined(separator: "\n") + (isCut ? "" : "\n")
        let kept = LogTail.kept(of: Array(text.utf8), through: step)
        return String(decoding: kept, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func laterStepsGoAndEventsStay() {
        let lines = (1...6).map { #"{"loss":0.5,"step":\#($0)}"# }
        let event = #"{"event":"something"}"#
        #expect(kept(lines, through: 4) == Array(lines[..<4]))
        #expect(kept(lines, through: 6) == lines)
        #expect(kept(lines, through: -1).isEmpty)
        #expect(kept(lines[..<3] + [event] + lines[3...] + [event], through: 3) == lines[..<3] + [event, event])
        #expect(kept([], through: 3).isEmpty)
    }

    @Test func cutLinesAreDropped() {
        let lines = (1...3).map { #"{"loss":0.5,"step":\#($0)}"# }
        #expect(kept(lines + [#"{"loss":0.5,"st"#], through: 3, isCut: true) == lines)
        #expect(kept(lines + ["\u{0}\u{0}", "{"], through: 3) == lines)
        // A whole line without its newline was not written completely.
        #expect(kept(lines, through: 3, isCut: true) == Array(lines[..<2]))
    }

    /// Lines before the last kept step are not read, so the time does not grow with them: what is no JSON stays.
    @Test func onlyTheEndIsRead() {
        let lines = ["no JSON"] + (1...1000).map { #"{"step":\#($0)}"# }
        #expect(kept(lines, through: 990) == Array(lines[...990]))
    }
}
