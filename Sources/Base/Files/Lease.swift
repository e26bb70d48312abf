import Foundation
import Synchronization

/// What stands in for a lock on a file system that has none: a file that says who holds it, and that its holder writes again every few
/// seconds. Without a sign of life for a while, another process takes it over.
///
/// Two processes could both take over an abandoned lease within a moment; the one that loses it notices at its next sign of life, and
/// says so. A class because a thread shares it.
package final class Lease: Sendable {
    /// Seconds between signs of life, and without one until a lease counts as abandoned.
    package struct Times: Sendable {
        package var renewal = 5.0
        package var patience = 30.0

        package init() {}
    }

    private let path: String
    private let text: [UInt8]
    private let isHeld = Atomic<Bool>(true)

    /// Takes the lease `path` for `use`. If another process has it, watches it for `times.patience` seconds.
    ///
    /// What is in doubt is reported to `say`. Throws `Failure` if another process shows signs of life, or the file cannot be written.
    package init(
        _ path: String, use: String, times: Times = Times(), say: @escaping @Sendable (String) -> Void
    ) throws {
        self.path = path
        let holder = Holder(host: hostName(), process: getpid())
        text = Array("\(holder.text) \(UInt64.random(in: 0...(.max)))\n".utf8)
        say("the file system of \(path) has no locks; this file stands in for one")
        if let other = try? RegularFile.contents(of: path, limit: 4096) {
            try Lease.awaitEnd(of: other, at: path, use: use, holder: holder, times: times, say: say)
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw errno == EEXIST ? inUse(use) : systemFailure("cannot create \(path)") }
        let written = text.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        guard written == text.count else {
            unlink(path)
            throw systemFailure("cannot write \(path)")
        }
        let thread = Thread { [weak self] in
            while true {
                Thread.sleep(forTimeInterval: times.renewal)
                guard let self, self.isHeld.load(ordering: .relaxed) else { return }
                if !self.renew() {
                    say("another process may use \(use) as well: \(path) is no longer that of this process")
                    return
                }
            }
        }
        thread.start()
    }

    deinit {
        isHeld.store(false, ordering: .relaxed)
        if (try? RegularFile.contents(of: path, limit: 4096)) == text { unlink(path) }
    }

    /// A sign of life. False if the lease is another process's; what cannot be read or written is tried again the next time.
    private func renew() -> Bool {
        if let found = try? RegularFile.contents(of: path, limit: 4096), found != text { return false }
        utimensat(AT_FDCWD, path, nil, 0)
        return true
    }

    /// Returns when the lease with the contents `other` is given back or abandoned; then the file is gone.
    ///
    /// Whether the file changes is compared with this process's own clock, since those of hosts differ.
    private static func awaitEnd(
        of other: [UInt8], at path: String, use: String, holder: Holder, times: Times, say: (String) -> Void
    ) throws {
        let theirs = Holder(String(decoding: other, as: UTF8.self))
        let isGone = theirs.map { $0.host == holder.host && kill($0.process, 0) != 0 && errno == ESRCH } ?? false
        if !isGone {
            let name = theirs.map { "process \($0.process) on \($0.host)" } ?? "another process"
            say("\(name) used \(use); watching \(path) for \(readableDuration(times.patience)) for a sign of life")
            let first = changed(path)
            let deadline = ProcessInfo.processInfo.systemUptime + times.patience
            while ProcessInfo.processInfo.systemUptime < deadline {
                usleep(100_000)
                guard let now = changed(path) else { return }
                guard now == first else { throw inUse(use) }
            }
            say("\(name) has shown no sign of life; \(path) is taken over")
        }
        // Another process may have taken it over at the same moment; its lease is put back.
        let aside = DurableFile.newPartialPath(of: path)
        guard rename(path, aside) == 0 else { return }
        if (try? RegularFile.contents(of: aside, limit: 4096)) != other {
            link(aside, path)
            unlink(aside)
            throw inUse(use)
        }
        unlink(aside)
    }

    /// The time of the last change in nanoseconds; nil if there is no such file.
    private static func changed(_ path: String) -> Int? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return status.st_mtim.tv_sec &* 1_000_000_000 &+ status.st_mtim.tv_nsec
    }

    /// Who holds a lease, as in the file: `HOST PROCESS`.
    private struct Holder {
        let host: String
        let process: Int32

        init(host: String, process: Int32) { (self.host, self.process) = (host, process) }

        init?(_ text: String) {
            let words = text.split(separator: " ")
            guard words.count == 3, let process = Int32(words[1]), process > 0 else { return nil }
            self.init(host: String(words[0]).printable(limit: 64), process: process)
        }

        var text: String { "\(host) \(process)" }
    }
}
