import Base
import Foundation
import Images

/// All samples of a shard directory under one numbering, 0 ..< total in the order of the shards.
///
/// Keeps a bounded number of shard files open; for one thread at a time.
package struct ShardDirectory {
    /// The directory.
    package let path: String
    /// What it holds.
    package let index: ShardIndex
    /// The first sample of each shard.
    private let firstSamples: [Int]
    private let openLimit: Int
    private var readers: [ShardReader?]
    /// When each shard was last used, counted in uses.
    private var lastUses: [Int]
    private var useCount = 0
    private var openCount = 0

    /// What is wrong with shards that are missing or of another size, where that is not a failure.
    package let missing: [Failure]

    /// Loads and checks the index of `path`; at most `openLimit` shard files are open at a time. A sample of a missing shard
    /// is a failure when it is read or, by `onCorruption`, at once.
    ///
    /// Throws `Failure` as `ShardIndex.load` does.
    package init(
        path: String, openLimit: Int = ShardDirectory.raisedOpenLimit(), onCorruption: CorruptionPolicy = .stop
    ) throws {
        let index: ShardIndex
        switch onCorruption {
        case .stop:
            index = try ShardIndex.load(directory: path)
            missing = []
        case .substitute:
            index = try ShardIndex.read(directory: path)
            missing = index.shards.compactMap { shard in
                do {
                    try shard.checkFile(directory: path)
                    return nil
                } catch { return error as? Failure }
            }
        }
        var sum = 0
        firstSamples = index.shards.map { shard in
            defer { sum += shard.count }
            return sum
        }
        self.path = path
        self.index = index
        self.openLimit = max(1, openLimit)
        readers = index.shards.map { _ in nil }
        lastUses = index.shards.map { _ in 0 }
    }

    /// As many files as keep each shard of an ordinary set open, and leave most of what the system allows to others.
    package static func raisedOpenLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 64 }
        // Without much ado the soft limit may be raised to the hard one.
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 1 << 14))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(min(2048, limit.rlim_cur / 4))
    }

    /// The number of samples.
    package var count: Int { index.total }

    /// Reads the patches (L, p * p * 3) of sample `sample` to `target`.
    ///
    /// Throws `Failure` as `ShardReader.read` does.
    package mutating func read(sample: Int, into target: UnsafeMutablePointer<UInt8>) throws {
        let (reader, row) = try reader(of: sample)
        try reader.read(sample: row, into: target)
    }

    /// The classes of all samples, -1 where there is none.
    ///
    /// Throws `Failure` when a shard cannot be read.
    package func labels() throws -> [Int] {
        var directory = self
        return try (0..<count).map { try directory.label(sample: $0) }
    }

    /// The picture of sample `sample`. Throws `Failure` when it cannot be read or decoded.
    package mutating func image(sample: Int) throws -> Image {
        let (reader, row) = try reader(of: sample)
        let bytes = try reader.bytes(of: row)
        guard index.encoding == .patches else { return try ImageDecoder.decode(bytes) }
        let grid = try index.grid()
        let pixels = [UInt8](unsafeUninitializedCapacity: grid.valueCount) { pixels, initialised in
            grid.unpatchify(bytes, into: pixels.baseAddress!)
            initialised = grid.valueCount
        }
        return try Image(width: grid.imageSize, height: grid.imageSize, pixels: pixels)
    }

    /// The class of sample `sample`, -1 if it has none. Throws `Failure` when its shard cannot be opened.
    package mutating func label(sample: Int) throws -> Int {
        let (reader, row) = try reader(of: sample)
        return reader.label(sample: row)
    }

    /// The path, relative to the source, of the file that `sample` was made of. Throws `Failure` when it cannot be
    /// read.
    package mutating func key(sample: Int) throws -> String {
        let (reader, row) = try reader(of: sample)
        return try reader.key(sample: row)
    }

    /// The shard of a sample and the sample's row in it. `sample` must be in 0 ..< count.
    package func location(of sample: Int) -> (shard: Int, row: Int) {
        var low = 0
        var high = firstSamples.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if firstSamples[middle] <= sample { low = middle } else { high = middle }
        }
        return (low, sample - firstSamples[low])
    }

    /// The open shard of sample `sample`, and the sample's row in it.
    package mutating func reader(of sample: Int) throws -> (ShardReader, row: Int) {
        guard sample >= 0, sample < count else {
            throw Failure("\(path) has no sample \(sample), only \(count)", hint: "ask for one that is there")
        }
        let (shard, row) = location(of: sample)
        useCount += 1
        lastUses[shard] = useCount
        if let reader = readers[shard] { return (reader, row) }
        if openCount == openLimit { closeLeastRecentlyUsed() }
        let reader = try ShardReader(directory: path, shard: shard, index: index)
        readers[shard] = reader
        openCount += 1
        return (reader, row)
    }

    private mutating func closeLeastRecentlyUsed() {
        var oldest: Int?
        for shard in readers.indices where readers[shard] != nil {
            if oldest == nil || lastUses[shard] < lastUses[oldest!] { oldest = shard }
        }
        if let oldest {
            readers[oldest] = nil
            openCount -= 1
        }
    }
}
