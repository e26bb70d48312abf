import Base
import Foundation

/// Which checkpoints of a run stay.
package struct CheckpointRetention: Equatable, Sendable {
    /// The newest of them; nil for all.
    package var last: Int?
    /// Those whose step is a multiple of it, too.
    package var everySteps: Int?

    /// The `last` newest, and those of every multiple of `everySteps`.
    package init(last: Int?, everySteps: Int? = nil) {
        self.last = last
        self.everySteps = everySteps
    }
}

extension CheckpointStore {
    /// Removes the checkpoints that `retention` does not keep, the oldest first, and returns their paths. What cannot be removed
    /// stays.
    @discardableResult
    package func prune(_ retention: CheckpointRetention) -> [String] {
        guard let last = retention.last else { return [] }
        return paths().dropLast(last).filter { path in
            if let every = retention.everySteps, let step = Self.step(of: path), step % every == 0 { return false }
            // Under another name first, so that no half of it is taken for a checkpoint.
            let discarded = DurableFile.partialPath(of: path)
            guard rename(path, discarded) == 0 else { return false }
            try? FileManager.default.removeItem(atPath: discarded)
            return true
        }
    }

    /// Gives the damaged checkpoint at `path` a name under which nothing looks for it, and returns that.
    package func setAside(_ path: String) -> String {
        let name = (path as NSString).lastPathComponent
        let directory = (path as NSString).deletingLastPathComponent
        var aside = "\(directory)/damaged-\(name)"
        var number = 2
        while FileManager.default.fileExists(atPath: aside) {
            aside = "\(directory)/damaged-\(name)-\(number)"
            number += 1
        }
        return rename(path, aside) == 0 ? aside : path
    }

    /// The step in the name of the checkpoint at `path`; nil where it has no such name.
    package static func step(of path: String) -> Int? {
        let name = (path as NSString).lastPathComponent
        return name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count)) : nil
    }
}
