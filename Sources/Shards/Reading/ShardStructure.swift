import Base
import Images

/// The bytes of a shard file that are not samples, which libhdf5 reads when it opens the file, and their checksum.
///
/// A flipped bit there can mislead libhdf5, so the loader verifies them first: a few hundred kilobytes per file. Samples have a checksum
/// each.
package struct ShardStructure: Codable, Equatable, Sendable {
    /// The byte ranges of samples: start and end of each, alternating, in ascending order.
    package let samples: [Int]
    /// CRC-32 of all other bytes of the file.
    package let checksum: UInt32

    /// Throws `Failure` if the ranges are not inside the `bytes` of the file.
    func rest(ofFile path: String, bytes: Int) throws -> [Range<Int>] {
        let bounds = [0] + samples + [bytes]
        guard samples.count % 2 == 0, zip(bounds, bounds.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            throw Failure("the index contradicts itself about the samples of \(path)", hint: indexHint)
        }
        return stride(from: 0, to: bounds.count, by: 2).map { bounds[$0]..<bounds[$0 + 1] }
    }

    /// Throws `Failure` if the bytes other than samples are corrupt.
    func check(_ file: borrowing ShardFile, bytes: Int) throws {
        guard try file.checksum(of: rest(ofFile: file.path, bytes: bytes)) == checksum else {
            throw Failure("the structure of \(file.path) is damaged: wrong checksum", hint: restoreHint)
        }
    }
}

extension ShardStructure {
    init(ofShard path: String, count: Int, bytes: Int, grid: PatchGrid?) throws {
        let layout = try ShardContents.read(path) {
            try SampleLayout($0, count: count, bytes: bytes, grid: grid)
        }
        let file = try ShardFile(path: path, bytes: bytes)
        var samples: [Int] = []
        for extent in layout.extents.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if samples.last == extent.lowerBound { samples.removeLast() } else { samples.append(extent.lowerBound) }
            samples.append(extent.upperBound)
        }
        let unchecked = ShardStructure(samples: samples, checksum: 0)
        self.samples = samples
        checksum = try file.checksum(of: unchecked.rest(ofFile: file.path, bytes: bytes))
    }
}
