import Foundation

/// The result of a non-blocking lock request.
package enum LockAnswer: Sendable {
    /// Held by the descriptor's owner until it is closed.
    case granted
    /// Held by another process.
    case refused
    /// The file system has no locks.
    case unavailable
}

/// Requests an exclusive or a shared lock on the file that is open as `descriptor`.
package func askForLock(on descriptor: Int32, isShared: Bool = false) -> LockAnswer {
    while flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 {
        if errno == EINTR { continue }
        return errno == EWOULDBLOCK ? .refused : .unavailable
    }
    return .granted
}

/// A lock on a file, held by one process until it ends, however it ends.
package struct FileLock: ~Copyable {
    private let descriptor: Int32

    /// Takes the lock on `path`, creating the file if needed; waits up to `seconds` for the process that holds it, and reports the wait
    /// to `say`.
    ///
    /// Throws `Failure` if another process keeps it; `use` is what the lock is for. A file system without locks grants none.
    package init(_ path: String, use: String, waitingUpTo seconds: Double, say: (String) -> Void) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        let deadline = ProcessInfo.processInfo.systemUptime + seconds
        var isSaid = false
        while askForLock(on: descriptor) == .refused {
            if !isSaid { say("another process uses \(use); waiting up to \(readableDuration(seconds)) for its end") }
            isSaid = true
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
