import Foundation

/// What a run of `Sharding` is asked for.
package struct ShardingOptions: Sendable {
    /// How samples are stored.
    package var format: SampleFormat
    /// Source images of a shard.
    package var shardSize: Int
    /// The key of the permutation in which images go into shards; nil keeps the source's order.
    package var shuffle: UInt64?
    /// Whether an image that cannot be read makes the run fail at its end.
    package var isStrict: Bool
    /// The threads that read and decode.
    package var jobs: Int

    /// `jobs` is by default the number of processors that this process may use.
    package init(
        _ format: SampleFormat, shardSize: Int = 1024, shuffle: UInt64? = nil, isStrict: Bool = false,
        jobs: Int = ProcessInfo.processInfo.activeProcessorCount
    ) {
        self.format = format
        self.shardSize = shardSize
        self.shuffle = shuffle
        self.isStrict = isStrict
        self.jobs = jobs
    }
}
