import Foundation

package struct ShardingOptions: Sendable {
    package var format: SampleFormat
    /// Source images per shard.
    package var shardSize: Int
    /// Seed of the permutation of images; nil keeps the source's order.
    package var shuffle: UInt64?
    /// Whether an unreadable image makes the run fail at its end.
    package var isStrict: Bool
    /// Threads that read and decode.
    package var jobs: Int

    /// `jobs` defaults to the number of available processors.
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
