import Foundation

/// An entry in the directory in which Open MPI 4 keeps the sessions of this user. While it is there, a process that ends does not find the
/// directory empty and remove it, which another one that is starting would not survive.
struct SessionDirectory {
    private let entry: String

    /// The directory and the entry are created; failing that, Open MPI says what is wrong.
    init(in temporary: String = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp") {
        let host = ProcessInfo.processInfo.hostName.prefix { $0 != "." }
        let directory = "\(temporary)/ompi.\(host).\(getuid())"
        // By the pattern of Open MPI's own names, so that `Launch/remove-leftovers` finds what a killed process left.
        entry = "\(directory)/pid.\(getpid()).start"
        for _ in 0..<1000 {
            mkdir(directory, 0o700)
            guard mkdir(entry, 0o700) != 0, errno == ENOENT else { return }
        }
    }

    func leave() { rmdir(entry) }
}
