import Base
import Foundation
import Synchronization

/// Standard output of a command whose result it is. (A run in progress writes to `StatusLine`: it goes on without its output.)
enum Output {
    /// The error number of the first write that failed; 0 for none.
    private static let failure = Atomic<Int32>(0)

    /// Writes `text`. That nobody reads any more, as behind `| head`, is no failure; any other is kept for `requireSuccess`.
    static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty, failure.load(ordering: .relaxed) == 0 {
                let count = Foundation.write(STDOUT_FILENO, rest.baseAddress!, rest.count)
                if count < 0 && errno == EINTR { continue }
                if count < 0 && errno == EAGAIN {
                    // Another process has set the open file so that it does not wait.
                    var waited = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
                    poll(&waited, 1, -1)
                    continue
                }
                guard count >= 0 else {
                    failure.store(errno, ordering: .relaxed)
                    return
                }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            }
        }
    }

    /// Throws `Failure` if not everything could be written.
    static func requireSuccess() throws {
        let code = failure.load(ordering: .relaxed)
        guard code != 0, code != EPIPE else { return }
        errno = code
        throw systemFailure("cannot write to standard output")
    }
}

/// Prints a line for people on standard output, as a terminal can show it. Names of files and classes in `text` can hold anything.
func printLine(_ text: String) { Output.write(text.printableLine + "\n") }

/// Prints `value` as one line of JSON with snake-case keys.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    Output.write(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
}

/// What a set of images is of: "of 10 classes", or "without labels".
func ofClasses(_ count: Int) -> String { count > 0 ? "of \(counted(count, "class"))" : "without labels" }
