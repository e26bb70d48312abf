import Kernels

/// How a flat buffer is divided into buckets, the units of exchange, and each bucket into parts owned by ranks.
///
/// Buckets are listed from the end of the buffer to its start, the order in which a backward pass completes them. Every
/// bound is a multiple of `blockCount`, except the end of the buffer, so a block lies in one part for any number of
/// ranks: sums over blocks have the same bits for any number of ranks.
package struct Partition: Sendable {
    /// Values per block.
    package static let blockCount = normBlockCount
    package let buckets: [Range<Int>]
    package let count: Int
    package let ranks: Int

    /// Divides a buffer of `count` values into buckets of about `bucketCount` values.
    package init(count: Int, bucketCount: Int, ranks: Int) {
        let step = max(1, bucketCount / Self.blockCount) * Self.blockCount
        buckets = stride(from: 0, to: count, by: step).map { $0..<min($0 + step, count) }.reversed()
        self.count = count
        self.ranks = ranks
    }

    package var blocks: Int { (count + Self.blockCount - 1) / Self.blockCount }

    /// The part of `bucket` that `rank` owns; may be empty.
    package func part(of bucket: Range<Int>, rank: Int) -> Range<Int> {
        let core = Self.core(of: ranks)
        guard rank < core else { return bucket.upperBound..<bucket.upperBound }
        var (whole, distance) = (bucket, 1)
        while distance < core {
            whole = Self.halves(of: whole, rank: rank, distance: distance).own
            distance *= 2
        }
        return whole
    }

    package func parts(of rank: Int) -> [Range<Int>] { buckets.map { part(of: $0, rank: rank) } }

    /// All non-empty parts in buffer order.
    package var owners: [(range: Range<Int>, rank: Int)] {
        buckets.reversed().flatMap { bucket in
            (0..<ranks).map { (range: part(of: bucket, rank: $0), rank: $0) }
                .filter { !$0.range.isEmpty }.sorted { $0.range.lowerBound < $1.range.lowerBound }
        }
    }

    /// The largest power of two <= `ranks`.
    static func core(of ranks: Int) -> Int {
        var core = 1
        while 2 * core <= ranks { core *= 2 }
        return core
    }

    /// The halves of `whole` that `rank` and its partner at `distance` continue with.
    static func halves(of whole: Range<Int>, rank: Int, distance: Int) -> (own: Range<Int>, other: Range<Int>) {
        let blocks = (whole.count + blockCount - 1) / blockCount
        let middle = min(whole.lowerBound + blocks / 2 * blockCount, whole.upperBound)
        let (lower, upper) = (whole.lowerBound..<middle, middle..<whole.upperBound)
        return rank & distance == 0 ? (lower, upper) : (upper, lower)
    }
}
