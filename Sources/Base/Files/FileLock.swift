import Foundation

/// The result of a non-blocking lock request.
package enum LockAnswer: Sendable {
    /// Held until `closeLocked`, or the end of the process.
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

/// Gives up what `askForLock` granted and closes `descriptor`.
///
/// The lock is given up explicitly: a process that is being started has copies of all descriptors until it executes its program, and
/// closing ours alone would leave the lock with it for that moment.
package func closeLocked(_ descriptor: Int32) {
    flock(descriptor, LOCK_UN)
    close(descriptor)
}

/// A lock on a file, held by one process until it ends, however it ends. On a file system without locks, a `Lease` stands in.
package struct FileLock: ~Copyable {
    private let descriptor: Int32
    private let lease: Lease?

    /// Takes the lock on `path`, creating the file if needed; waits up to `seconds` for the process that holds it, and reports the wait
    /// to `say`, as well as doubts about a lease.
    ///
    /// Throws `Failure` if another process keeps it; `use` is what the lock is for.
    package init(
        _ path: String, use: String, waitingUpTo seconds: Double, say: @escaping @Sendable (String) -> Void
    ) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o666)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        do {
            let isLocked = try FileLock.take(descriptor, use: use, waitingUpTo: seconds, say: say)
            lease = isLocked ? nil : try Lease(path + ".lease", use: use, say: say)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
    }

    deinit { closeLocked(descriptor) }

    /// False if the file system has no locks.
    private static func take(
        _ descriptor: Int32, use: String, waitingUpTo seconds: Double, say: (String) -> Void
    ) throws -> Bool {
        let deadline = ProcessInfo.processInfo.systemUptime + seconds
        var isSaid = false
        while true {
            switch askForLock(on: descriptor) {
            case .granted: return true
            case .unavailable: return false
            case .refused: break
            }
            if !isSaid { say("another process uses \(use); waiting up to \(readableDuration(seconds)) for its end") }
            isSaid = true
            guard ProcessInfo.processInfo.systemUptime < deadline else { throw inUse(use) }
            usleep(50_000)
        }
    }
}

func inUse(_ use: String) -> Failure {
    Failure("another process uses \(use)", hint: "wait for its end, or stop it")
}
