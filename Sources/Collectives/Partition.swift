import Kernels

/// How a flat buffer is divided: into buckets, the units of exchange, and each bucket into the parts that ranks own.
///
/// Buckets are listed from the end of the buffer to its start, which is the order in which a backward pass completes them.
/// Every bound is a multiple of `blockCount`, but for the end of the buffer, so that a block lies in one part whatever
/// the number of ranks: what is summed by blocks has the same bits on any number.
package struct Partition: Sendable {
    /// The part of a bucket that one rank owns.
    package struct Part: Equatable, Sendable {
        /// Its place in the flat buffer.
        package let range: Range<Int>
        /// The owner.
        package let rank: Int
    }

    /// Values of a block.
    package static let blockCount = normBlockCount
    /// Places of the buckets in the flat buffer.
    package let buckets: [Range<Int>]
    /// The length of the flat buffer.
    package let count: Int
    /// The number of ranks.
    package let ranks: Int

    /// Divides a buffer of `count` values into buckets of about `bucketCount`, for `ranks` ranks.
    package init(count: Int, bucketCount: Int, ranks: Int) {
        let step = max(1, bucketCount / Self.blockCount) * Self.blockCount
        buckets = stride(from: 0, to: count, by: step).map { $0..<min($0 + step, count) }.reversed()
        self.count = count
        self.ranks = ranks
    }

    /// The blocks of the flat buffer.
    package var blocks: Int { (count + Self.blockCount - 1) / Self.blockCount }

    /// What `rank` owns of `bucket`; may be empty.
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

    /// What `rank` owns of every bucket.
    package func parts(of rank: Int) -> [Range<Int>] { buckets.map { part(of: $0, rank: rank) } }

    /// All parts that are not empty, in the order of the buffer.
    package var owners: [Part] {
        buckets.reversed().flatMap { bucket in
            (0..<ranks).map { Part(range: part(of: bucket, rank: $0), rank: $0) }
                .filter { !$0.range.isEmpty }.sorted { $0.range.lowerBound < $1.range.lowerBound }
        }
    }

    /// The largest power of two among the numbers up to `ranks`.
    static func core(of ranks: Int) -> Int {
        var core = 1
        while 2 * core <= ranks { core *= 2 }
        return core
    }

    /// What `rank` and its partner at `distance` go on with of `whole`.
    static func halves(of whole: Range<Int>, rank: Int, distance: Int) -> (own: Range<Int>, other: Range<Int>) {
        let blocks = (whole.count + blockCount - 1) / blockCount
        let middle = min(whole.lowerBound + blocks / 2 * blockCount, whole.upperBound)
        let (lower, upper) = (whole.lowerBound..<middle, middle..<whole.upperBound)
        return rank & distance == 0 ? (lower, upper) : (upper, lower)
    }
}
