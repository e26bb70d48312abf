import Base
import Foundation
import Images

/// All samples of a shard directory, numbered 0 ..< total in the order of the shards.
///
/// Keeps a bounded number of shard files open. For one thread at a time.
package struct ShardDirectory {
    package let path: String
    package let index: ShardIndex
    /// The first sample of each shard.
    private let firstSamples: [Int]
    private let openLimit: Int
    /// The open shards, each with the use count at its last use.
    private var readers: [Int: (reader: ShardReader, lastUse: Int)] = [:]
    private var useCount = 0

    /// Failures of shards that are missing or of another size, if they are to be substituted.
    package let missing: [Failure]

    /// Loads and checks the index of `path`; at most `openLimit` shard files are open at a time. A missing shard is a failure at once or, with
    /// substitution, when one of its samples is read.
    ///
    /// Throws `Failure` as `ShardIndex.load` does.
    package init(
        path: String, openLimit: Int = ShardDirectory.raisedOpenLimit(), onCorruption: CorruptionPolicy = .stop
    ) throws {
        let index = try ShardIndex.read(directory: path)
        var missing: [Failure] = []
        for shard in index.shards {
            do {
                try shard.checkFile(directory: path)
            } catch let failure as Failure where onCorruption == .substitute {
                missing.append(failure)
            }
        }
        var sum = 0
        firstSamples = index.shards.map { shard in
            defer { sum += shard.count }
            return sum
        }
        self.path = path
        self.index = index
        self.missing = missing
        self.openLimit = max(1, openLimit)
    }

    /// Enough to keep all shards of a typical data set open, and less than the system's limit.
    package static func raisedOpenLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 64 }
        // The soft limit may be raised up to the hard limit.
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 1 << 14))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(min(2048, limit.rlim_cur / 4))
    }

    package var count: Int { index.total }

    /// The classes of all samples, -1 for none. Throws `Failure` if a shard cannot be read.
    package func labels() throws -> [Int] {
        var directory = self
        return try (0..<count).map { try directory.label(sample: $0) }
    }

    /// Throws `Failure` if the sample cannot be read or decoded.
    package mutating func image(sample: Int) throws -> Image {
        let (reader, row) = try reader(of: sample)
        let bytes = try reader.bytes(of: row)
        guard index.encoding == .patches else {
            return try ImageDecoder.decode(bytes, as: index.pixelFormat, pixelLimit: index.pixelLimit)
        }
        let grid = try index.grid()
        let pixels = [UInt8](unsafeUninitializedCapacity: grid.byteCount) { pixels, initialised in
            grid.unpatchify(bytes, into: pixels.baseAddress!)
            initialised = grid.byteCount
        }
        return try Image(width: grid.imageSize, height: grid.imageSize, pixels: pixels, format: grid.pixel)
    }

    /// The class of a sample, -1 for none. Throws `Failure` if its shard cannot be opened.
    package mutating func label(sample: Int) throws -> Int {
        let (reader, row) = try reader(of: sample)
        return reader.label(sample: row)
    }

    /// The source file of a sample, relative to the source. Throws `Failure` if it cannot be read.
    package mutating func key(sample: Int) throws -> String {
        let (reader, row) = try reader(of: sample)
        return try reader.key(sample: row)
    }

    /// The shard of a sample, which must be in 0 ..< count, and its row in it.
    package func location(of sample: Int) -> (shard: Int, row: Int) {
        var low = 0
        var high = firstSamples.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if firstSamples[middle] <= sample { low = middle } else { high = middle }
        }
        return (low, sample - firstSamples[low])
    }

    /// The open shard of a sample, and its row in it.
    package mutating func reader(of sample: Int) throws -> (ShardReader, row: Int) {
        guard sample >= 0, sample < count else {
            throw Failure("\(path) has no sample \(sample), only \(count)", hint: "ask for one that is there")
        }
        let (shard, row) = location(of: sample)
        let open = readers[shard]?.reader
        if open == nil, readers.count == openLimit,
            let oldest = readers.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            readers[oldest.key] = nil
        }
        let reader = try open ?? ShardReader(directory: path, shard: shard, index: index)
        useCount += 1
        // Set as a whole, since a change in place allocates.
        readers[shard] = (reader, useCount)
        return (reader, row)
    }
}

extension ShardDirectory {
    /// Pictures of up to `count` samples, evenly spaced, row by row in a square on white. `samples` are their numbers.
    ///
    /// Throws `Failure` if one cannot be read.
    package mutating func contactSheet(count: Int, bands: [Int]? = nil) throws -> (image: Image, samples: [Int]) {
        let count = min(count, self.count)
        guard count > 0 else { throw Failure("\(path) holds no samples", hint: "shard some images") }
        let samples = (0..<count).map { $0 * self.count / count }
        let columns = Int(Double(count).squareRoot().rounded(.up))
        var resampler = try Resampler()
        let view = try BandView(bands: bands, mean: index.mean, deviation: index.std)
        let tiles = try samples.map { sample in
            let picture = try image(sample: sample)
            let framing = Framing.shortSide(ofWidth: picture.width, height: picture.height, to: 96)
            return try view.picture(resampler.resample(picture, framing: framing))
        }
        let rows = stride(from: 0, to: count, by: columns).map { Array(tiles[$0..<min(count, $0 + columns)]) }
        return (try Image(rows: rows, gap: 2), samples)
    }
}

/// What to do at a corrupt sample: its checksum fails, or its shard is missing, truncated or corrupt.
package enum CorruptionPolicy: String, Codable, CaseIterable, Sendable {
    /// End the run.
    case stop
    /// Use another sample instead.
    case substitute
}
