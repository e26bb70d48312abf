import Foundation

/// An append-only file. Data that cannot be written, for example on a full disk, is kept and retried with the next append. A class
/// because appending changes what is kept.
package final class AppendingFile {
    private let descriptor: Int32
    private let path: String
    private var pending: [UInt8] = []
    private var isFailing = false

    /// Opens or creates `path`. Throws `Failure` with the system's reason.
    package init(_ path: String) throws {
        // Without O_NONBLOCK, opening a FIFO waits for its reader; regular files ignore it.
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0o666)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        self.path = path
    }

    deinit { close(descriptor) }

    /// Waits until everything that was appended is on the disk. A failure is not one of the data that are still kept, so it is ignored:
    /// the next append meets it.
    package func sync() { fsync(descriptor) }

    /// Appends `bytes`. Returns the failure the first time that writing fails, otherwise nil; throws `Failure` when more data is kept
    /// than fits the limit.
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
