import Foundation

/// What a run of `Sharding` is asked for.
public struct ShardingOptions: Sendable {
    /// How samples are stored.
    public var format: SampleFormat
    /// Source images of a shard.
    public var shardSize: Int
    /// The key of the permutation in which images go into shards; nil keeps the source's order.
    public var shuffle: UInt64?
    /// Whether an image that cannot be read makes the run fail at its end.
    public var isStrict: Bool
    /// The threads that read and decode.
    public var jobs: Int

    /// `jobs` is by default the number of processors that this process may use.
    public init(
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
