import Base
import Checkpoints
import Foundation

/// The end of a JSON Lines file, where the lines are that a resumed run writes again.
package enum LogTail {
    /// `log` without its lines of steps after `step` and without lines that cannot be read there, such as one cut off by a crash.
    ///
    /// Steps ascend in the file, so it is searched from its end up to the first line of an earlier step: in time that grows with what is
    /// dropped, however long the file is. Events among the lines are kept; they are not written again.
    package static func kept(of log: [UInt8], through step: Int) -> [UInt8] {
        let newline = UInt8(ascii: "\n")
        let decoder = JSONDecoder()
        var (end, events) = (log.count, [ArraySlice<UInt8>]())
        while end > 0 {
            let start = (log[..<(end - 1)].lastIndex(of: newline) ?? -1) + 1
            let line = log[start..<end]
            if line.last == newline, let entry = try? decoder.decode(LogEntry.self, from: Data(line)) {
                if let found = entry.step, found <= step { break }
                if entry.step == nil { events.append(line) }
            }
            end = start
        }
        return Array(log[..<end]) + events.reversed().joined()
    }
}
