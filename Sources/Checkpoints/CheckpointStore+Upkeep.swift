import Base
import Foundation

package struct CheckpointRetention: Equatable, Sendable {
    /// The number of newest checkpoints to keep; nil keeps all.
    package var last: Int?
    /// Also keeps checkpoints whose step is a multiple of it.
    package var everySteps: Int?

    package init(last: Int?, everySteps: Int? = nil) {
        self.last = last
        self.everySteps = everySteps
    }
}

extension CheckpointStore {
    /// Removes the checkpoints that `retention` does not keep, oldest first, and returns their paths. Checkpoints that
    /// cannot be removed are skipped.
    @discardableResult
    package func prune(_ retention: CheckpointRetention) -> [String] {
        guard let last = retention.last else { return [] }
        return paths().dropLast(last).filter { path in
            if let every = retention.everySteps, let step = Self.step(of: path), step % every == 0 { return false }
            // Rename first, so that a partly removed checkpoint is never taken for a complete one.
            let discarded = DurableFile.newPartialPath(of: path)
            guard rename(path, discarded) == 0 else { return false }
            try? FileManager.default.removeItem(atPath: discarded)
            return true
        }
    }

    /// Renames the corrupt checkpoint at `path` so that it is no longer found, and returns the new path.
    package func setAside(_ path: String) -> String {
        let name = path.lastName
        let directory = path.parentPath
        var aside = "\(directory)/damaged-\(name)"
        var number = 2
        while FileManager.default.fileExists(atPath: aside) {
            aside = "\(directory)/damaged-\(name)-\(number)"
            number += 1
        }
        return rename(path, aside) == 0 ? aside : path
    }

    /// Nil unless the path has the name of a checkpoint.
    package static func step(of path: String) -> Int? {
        let name = path.lastName
        return name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count)) : nil
    }
}
