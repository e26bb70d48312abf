import Base
import Foundation

/// Images of a source that have the same bytes.
package struct Duplicates: Encodable, Sendable {
    /// Images that repeat an earlier one.
    package private(set) var images = 0
    /// Sets of equal images.
    package private(set) var groups = 0
    /// Of these sets, those with images of several classes.
    package private(set) var acrossClasses = 0
    /// The keys of two equal images.
    package private(set) var example: [String] = []

    init() {}

    /// Reads those items of `source` as a whole of which another has the same size and the same beginning, as `digests` say.
    ///
    /// Throws `Failure` if the file system fails.
    init(among digests: [(place: Int, digest: UInt64)], of source: ShardSource, jobs: Int) throws {
        let candidates = Self.sets(digests).flatMap { $0 }.sorted()
        // One that cannot be read is equal to none.
        let whole = concurrentMap(candidates, jobs: jobs) { place in
            Result<UInt64?, any Error> {
                do {
                    let contents = try source.contents(of: source.items[place])
                    return contents.withUnsafeBytes { digest(of: $0, seed: UInt64($0.count)) }
                } catch is Failure {
                    return nil
                }
            }
        }
        var found: [(place: Int, digest: UInt64)] = []
        for (place, digest) in zip(candidates, whole) {
            do {
                if let digest = try digest.get() { found.append((place, digest)) }
            } catch let broken as MachineFailure {
                throw broken.failure
            }
        }
        for set in Self.sets(found) {
            groups += 1
            images += set.count - 1
            if Set(set.map { source.items[$0].label }).count > 1 { acrossClasses += 1 }
            if example.isEmpty { example = set.prefix(2).map { source.key(of: source.items[$0]) } }
        }
    }

    /// The places of equal digests where there are several, in the order of their first places.
    private static func sets(_ digests: [(place: Int, digest: UInt64)]) -> [[Int]] {
        Dictionary(grouping: digests, by: \.digest).values.filter { $0.count > 1 }
            .map { $0.map(\.place).sorted() }.sorted { $0[0] < $1[0] }
    }
}
