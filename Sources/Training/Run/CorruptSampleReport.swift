import Foundation
import Loader

/// Warns once about each corrupt sample, on the rank that met it.
struct CorruptSampleReport {
    private let rank: Int
    private var told: Set<Int> = []
    /// Bounds memory and output for a largely corrupt data set; further samples are only counted in the log.
    private static let limit = 1000

    init(rank: Int) { self.rank = rank }

    mutating func tell(_ substitutions: [Substitution]) {
        for substitution in substitutions where told.count < Self.limit && told.insert(substitution.sample).inserted {
            let text =
                "crate: warning: rank \(rank): sample \(substitution.substitute) stands in for sample "
                + "\(substitution.sample): \(substitution.damage)\n"
            try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
        }
    }
}
