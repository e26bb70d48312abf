import Base
import Foundation
import Images

/// How large the shards of a source become, and how long that takes: estimated from some images that are decoded.
package struct ShardEstimate: Encodable, Sendable {
    /// The most images that are decoded, and the seconds after which no other one is.
    private static let imageLimit = 48
    private static let secondsLimit = 5.0
    /// What a shard takes beside its samples, about: for itself, and for each of label, checksum, key and place.
    private static let (fileBytes, tableBytes) = (8192, 120)

    package let files: Int
    /// Bytes of all samples, without labels and keys.
    package let sampleBytes: Int
    /// Whether these are exact, if all images can be decoded; otherwise they are estimated.
    package let isExact: Bool
    /// Bytes of labels, keys and the like, about.
    package let otherBytes: Int
    /// To read, decode and frame all images with `jobs` threads; writing is not measured.
    package let seconds: Double
    package let jobs: Int
    /// Images that were decoded for this.
    package private(set) var measured = 0
    /// Of these, those that could not be.
    package private(set) var undecodable: [SourceSurvey.LeftOut] = []

    /// Nil if no image seems readable. Throws `Failure` if the file system fails or memory is short.
    init?(of source: ShardSource, options: ShardingOptions, count: SurveyCount) throws {
        let readable = count.readable
        guard !readable.isEmpty else { return nil }
        var preparer = try SamplePreparer(options.format, pixelLimit: options.pixelLimit, memory: options.memory)
        let number = min(readable.count, Self.imageLimit)
        // Going forth in a stream takes as long as decompressing it.
        let isStreamed = source.files.contains(where: \.isStreamed)
        let chosen = (0..<number).map { readable[isStreamed ? $0 : $0 * readable.count / number] }
        var (sampled, sampledBytes) = (0, 0)
        let start = ContinuousClock.now
        var elapsed = 0.0
        for place in chosen where elapsed < Self.secondsLimit {
            let item = source.items[place]
            switch try preparer.prepare(item, of: source) {
            case .sample(let bytes, _, _):
                sampled += 1
                sampledBytes += bytes.count
            case .unreadable(let reason):
                undecodable.append(.init(reason: reason, images: 1, example: source.key(of: item)))
            }
            measured += 1
            elapsed = (ContinuousClock.now - start) / .seconds(1)
        }
        jobs = options.jobs
        // More threads than processors are not faster.
        let parallel = min(options.jobs, ProcessInfo.processInfo.activeProcessorCount)
        seconds = elapsed / Double(measured) * Double(readable.count) / Double(parallel)
        files = (source.items.count + options.shardSize - 1) / options.shardSize
        otherBytes = Self.fileBytes * files + Self.tableBytes * readable.count
        let mean = Double(sampledBytes) / Double(max(1, sampled))
        switch options.format {
        case .patches(let grid): (sampleBytes, isExact) = (readable.count * grid.byteCount, true)
        case .jpeg: (sampleBytes, isExact) = (Int(mean * Double(readable.count)), false)
        case .original, .originalJPEG: (sampleBytes, isExact) = (count.readableBytes, true)
        }
    }
}
