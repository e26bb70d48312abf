import Foundation

/// A file that only grows. What cannot be written, on a full disk say, is kept for the next time. A class, since what is kept
/// changes under somebody who only appends.
package final class AppendingFile {
    private let descriptor: Int32
    private let path: String
    private var pending: [UInt8] = []
    private var isFailing = false

    /// Opens `path`, which is created where it is missing. Throws `Failure` with the system's reason.
    package init(_ path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        self.path = path
    }

    deinit { close(descriptor) }

    /// Appends `bytes`. Returns what is wrong the first time that they cannot be written, nil otherwise; throws `Failure` when
    /// more are kept than memory should hold.
    package func append(_ bytes: some Sequence<UInt8>) throws -> Failure? {
        pending += bytes
        while !pending.isEmpty {
            let written = pending.withUnsafeBytes { write(descriptor, $0.baseAddress!, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { break }
            pending.removeFirst(written)
        }
        defer { isFailing = !pending.isEmpty }
        guard !pending.isEmpty else { return nil }
        let failure = systemFailure("cannot write \(path)")
        guard pending.count < 64 << 20 else { throw failure }
        return isFailing ? nil : failure
    }
}
