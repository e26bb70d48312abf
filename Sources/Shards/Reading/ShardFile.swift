import Base
import Foundation
import HDF5
import Images

extension RegularFile {
    /// Opens the shard file `path` of `bytes` bytes. Throws `Failure` if it is not that, `MachineFailure` if that cannot be determined.
    static func openShard(_ path: String, bytes: Int) throws -> RegularFile {
        guard access(path, F_OK) == 0 || errno != ENOENT else { throw Failure("\(path) is missing", hint: restoreHint) }
        let file = try RegularFile(path)
        guard file.byteCount == bytes else {
            throw Failure("\(path) has \(file.byteCount) bytes and should have \(bytes)", hint: restoreHint)
        }
        return file
    }

    /// Reads `count` bytes from `offset` into `target`. Throws `Failure` if the file is shorter or cannot be read.
    borrowing func read(_ count: Int, at offset: Int, into target: UnsafeMutableRawPointer) throws {
        guard try read(into: UnsafeMutableRawBufferPointer(start: target, count: count), at: offset) == count else {
            throw Failure("\(path) ends early", hint: restoreHint)
        }
    }

    /// CRC-32 of the bytes of `ranges`, in order.
    borrowing func checksum(of ranges: [Range<Int>]) throws -> UInt32 {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { piece.deallocate() }
        var checksum = Checksum()
        for range in ranges {
            for start in stride(from: range.lowerBound, to: range.upperBound, by: piece.count) {
                let count = min(piece.count, range.upperBound - start)
                try read(count, at: start, into: piece.baseAddress!)
                checksum.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            }
        }
        return checksum.value
    }
}

/// The bytes of a shard file that are not samples, but say where they are, and their checksum.
///
/// The loader verifies them first: a few hundred kilobytes per file. Samples have a checksum each.
package struct ShardStructure: Codable, Equatable, Sendable {
    /// The byte ranges of samples: start and end of each, alternating, in ascending order.
    package let samples: [Int]
    /// CRC-32 of all other bytes of the file.
    package let checksum: UInt32

    /// Throws `Failure` if the bytes other than samples are corrupt.
    func check(_ file: borrowing RegularFile, bytes: Int) throws {
        guard try file.checksum(of: ShardStructure.rest(of: file, bytes: bytes, samples: samples)) == checksum else {
            throw Failure("the structure of \(file.path) is damaged: wrong checksum", hint: restoreHint)
        }
    }
}

extension ShardStructure {
    init(ofShard path: String, count: Int, bytes: Int, grid: PatchGrid?) throws {
        var contents = try HDF5File(RegularFile.openShard(path, bytes: bytes), hint: restoreHint)
        let layout = try SampleLayout(&contents, count: count, grid: grid)
        var samples: [Int] = []
        for start in layout.chunkStarts.sorted() {
            if samples.last == start { samples.removeLast() } else { samples.append(start) }
            samples.append(start + layout.chunkBytes)
        }
        self.samples = samples
        checksum = try contents.file.checksum(
            of: ShardStructure.rest(of: contents.file, bytes: bytes, samples: samples))
    }

    /// What is between the ranges `samples`. Throws `Failure` if they are not inside the `bytes` of the file.
    private static func rest(of file: borrowing RegularFile, bytes: Int, samples: [Int]) throws -> [Range<Int>] {
        let bounds = [0] + samples + [bytes]
        guard samples.count % 2 == 0, zip(bounds, bounds.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            throw Failure("the index contradicts itself about the samples of \(file.path)", hint: indexHint)
        }
        return stride(from: 0, to: bounds.count, by: 2).map { bounds[$0]..<bounds[$0 + 1] }
    }
}
