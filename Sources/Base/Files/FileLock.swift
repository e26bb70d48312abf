import Foundation

/// What becomes of asking for a lock without waiting for it.
package enum LockAnswer: Sendable {
    /// The descriptor's owner has it until the descriptor is closed.
    case granted
    /// Somebody else has it.
    case refused
    /// The file system gives no locks.
    case unavailable
}

/// Asks for the lock on the file that is open as `descriptor`: for one holder alone, or for one that is shared with others.
package func askForLock(on descriptor: Int32, isShared: Bool = false) -> LockAnswer {
    while flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 {
        if errno == EINTR { continue }
        return errno == EWOULDBLOCK ? .refused : .unavailable
    }
    return .granted
}

/// A lock on a file that one process holds at a time, until it ends, however it ends.
package struct FileLock: ~Copyable {
    private let descriptor: Int32

    /// Takes the lock on `path`, which is created where it is missing; waits up to `seconds` for a process that has it, and tells
    /// `say` so.
    ///
    /// Throws `Failure` when another process keeps it, which `use` says the purpose of. A file system without locks gives none.
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
