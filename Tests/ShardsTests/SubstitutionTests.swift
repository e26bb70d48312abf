import Foundation
import Loader
import Shards
import TestSupport
import Testing

/// The effect of `CorruptionPolicy` on unreadable samples.
@Suite struct SubstitutionTests {
    /// How a shard of four samples is damaged, and how many of the nine samples are lost.
    enum Damage: String, CaseIterable, Sendable {
        case flippedSample, truncated, missing, notHDF5, vanishing
        var samples: Set<Int> { self == .flippedSample ? [5] : [4, 5, 6, 7] }
    }

    private func damage(_ path: String, _ damage: Damage, sample bytes: [UInt8]) throws {
        let shard = URL(fileURLWithPath: path + "/shard-00001.h5")
        var data = try Data(contentsOf: shard)
        switch damage {
        case .flippedSample:
            let place = try #require(data.range(of: Data(bytes)))
            data[place.lowerBound + 100] ^= 4
            try data.write(to: shard)
        case .truncated: try data.prefix(data.count / 2).write(to: shard)
        case .notHDF5: try Data(repeating: 1, count: data.count).write(to: shard)
        case .missing, .vanishing: try FileManager.default.removeItem(at: shard)
        }
    }

    @Test(arguments: Damage.allCases)
    func corruptSampleStopsOrIsSubstituted(kind: Damage) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/source")
            let path = "\(directory)/shards"
            try shard("\(directory)/source", to: path)
            let intact = try BatchLoader(settings(path))
            let (training, evaluation) = (
                try intact.samples(0..<9, for: .training).samples, try intact.samples(0..<9, for: .evaluation).samples
            )
            var shards = try ShardDirectory(path: path)
            let (reader, row) = try shards.reader(of: 5)
            let bytes = try reader.bytes(of: row)

            var early: [BatchLoader] = []
            if kind == .vanishing {
                early = [try BatchLoader(settings(path)), try BatchLoader(settings(path, onCorruption: .substitute))]
            }
            try damage(path, kind, sample: bytes)

            let stopped = try failure {
                _ = try (early.first ?? BatchLoader(settings(path))).samples(0..<9, for: .evaluation)
            }
            #expect(stopped.problem.contains("shard-00001.h5") && stopped.hint.contains("restore"), "\(stopped)")

            let loader = try early.last ?? BatchLoader(settings(path, onCorruption: .substitute))
            #expect(loader.missing.isEmpty == [.flippedSample, .notHDF5, .vanishing].contains(kind))
            let (found, substitutions) = try loader.samples(0..<9, for: .evaluation)
            #expect(Set(substitutions.map(\.sample)) == kind.samples && substitutions.count == kind.samples.count)
            try #require(found.count == 9 && evaluation.count == 9)
            for sample in 0..<9 {
                guard let substitution = substitutions.first(where: { $0.sample == sample }) else {
                    #expect(found[sample] == evaluation[sample])
                    continue
                }
                // The image is that of another sample; the mask is unchanged.
                #expect(!kind.samples.contains(substitution.substitute))
                try #require(evaluation.indices.contains(substitution.substitute))
                #expect(substitution.damage.problem.contains("shard-00001.h5"))
                #expect(found[sample].patches == evaluation[substitution.substitute].patches)
                #expect(found[sample].mask == evaluation[sample].mask)
            }
            // The same for any division of the positions, as for any number of ranks; different in another epoch.
            let whole = try loader.samples(0..<90, for: .training)
            #expect(whole.substitutions.count == 10 * kind.samples.count)
            #expect(Set(whole.substitutions.filter { $0.sample == 5 }.map(\.substitute)).count > 1)
            let other = try BatchLoader(settings(path, onCorruption: .substitute))
            let parts = try stride(from: 0, to: 90, by: 15).map { try other.samples($0..<$0 + 15, 3, for: .training) }
            #expect(parts.flatMap(\.samples) == whole.samples && parts.flatMap(\.substitutions) == whole.substitutions)
            let changed = zip(whole.samples.prefix(9), training).filter { $0 != $1 }.count
            #expect(changed == kind.samples.count)
        }
    }

    @Test func noSubstituteIfNothingIsReadable() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/source")
            try shard("\(directory)/source", to: "\(directory)/shards")
            for name in ["shard-00000.h5", "shard-00001.h5", "shard-00002.h5"] {
                try FileManager.default.removeItem(atPath: "\(directory)/shards/\(name)")
            }
            let loader = try BatchLoader(settings("\(directory)/shards", onCorruption: .substitute))
            #expect(loader.missing.count == 3)
            let failure = try failure { _ = try loader.samples(0..<9, for: .training) }
            #expect(failure.problem.contains("is missing, and none of 64 other samples can be read"), "\(failure)")
        }
    }
}
