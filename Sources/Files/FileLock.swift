import Foundation

/// A lock on a file that one process holds at a time, until it ends, however it ends.
public struct FileLock: ~Copyable {
    private let descriptor: Int32

    /// Takes the lock on `path`, which is created where it is missing; waits up to `seconds` for a process that has it.
    ///
    /// Throws `Failure` when another process keeps it, which `use` says the purpose of. A file system without locks gives none.
    public init(_ path: String, use: String, waitingUpTo seconds: Double) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        let deadline = ProcessInfo.processInfo.systemUptime + seconds
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            guard errno == EWOULDBLOCK else { break }
            guard ProcessInfo.processInfo.systemUptime < deadline else {
                close(descriptor)
                throw Failure("another process uses \(use)", hint: "wait for its end, or stop it")
            }
            usleep(50_000)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }
}
