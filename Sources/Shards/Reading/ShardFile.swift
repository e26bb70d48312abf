import Base
import CHDF5
import Foundation
import Images

/// An open shard file with random access, closed with its owner.
struct ShardFile: ~Copyable {
    let path: String
    private let descriptor: Int32

    /// Opens the regular file `path` of `bytes` bytes. Throws `Failure` if it is not that, `MachineFailure` if that cannot be determined.
    init(path: String, bytes: Int) throws {
        // Non-blocking, in case the path is not a regular file; regular files ignore it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if [EMFILE, ENFILE, ENOMEM].contains(errno) {
                throw MachineFailure(systemFailure("cannot open \(path)"))
            }
            if errno == ENOENT { throw Failure("\(path) is missing", hint: restoreHint) }
            throw systemFailure("cannot open \(path)")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) == bytes else {
            close(descriptor)
            throw Failure("\(path) has \(status.st_size) bytes and should have \(bytes)", hint: restoreHint)
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Reads `count` bytes from `offset` into `target`. Throws `Failure` if the file is shorter or cannot be read.
    borrowing func read(_ count: Int, at offset: Int, into target: UnsafeMutableRawPointer) throws {
        let bytes = UnsafeMutableRawBufferPointer(start: target, count: count)
        guard try readBytes(into: bytes, from: descriptor, at: offset, path: path) == count else {
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

/// The bytes of a shard file that are not samples, which libhdf5 reads when it opens the file, and their checksum.
///
/// A flipped bit there can mislead libhdf5, so the loader verifies them first: a few hundred kilobytes per file. Samples have a checksum
/// each.
package struct ShardStructure: Codable, Equatable, Sendable {
    /// The byte ranges of samples: start and end of each, alternating, in ascending order.
    package let samples: [Int]
    /// CRC-32 of all other bytes of the file.
    package let checksum: UInt32

    /// Throws `Failure` if the bytes other than samples are corrupt.
    func check(_ file: borrowing ShardFile, bytes: Int) throws {
        guard try file.checksum(of: ShardStructure.rest(of: file, bytes: bytes, samples: samples)) == checksum else {
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
        for start in layout.chunkStarts.sorted() {
            if samples.last == start { samples.removeLast() } else { samples.append(start) }
            samples.append(start + layout.chunkBytes)
        }
        self.samples = samples
        checksum = try file.checksum(of: ShardStructure.rest(of: file, bytes: bytes, samples: samples))
    }

    /// What is between the ranges `samples`. Throws `Failure` if they are not inside the `bytes` of the file.
    private static func rest(of file: borrowing ShardFile, bytes: Int, samples: [Int]) throws -> [Range<Int>] {
        let bounds = [0] + samples + [bytes]
        guard samples.count % 2 == 0, zip(bounds, bounds.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            throw Failure("the index contradicts itself about the samples of \(file.path)", hint: indexHint)
        }
        return stride(from: 0, to: bounds.count, by: 2).map { bounds[$0]..<bounds[$0 + 1] }
    }
}

/// Where the samples of a shard are in its file: consecutive in a byte sequence that is divided into chunks.
struct SampleLayout {
    /// Start of each sample in the sequence, and the end of the last.
    let offsets: [Int]
    let chunkBytes: Int
    /// Start of each chunk in the file.
    let chunkStarts: [Int]

    func byteCount(_ sample: Int) -> Int { offsets[sample + 1] - offsets[sample] }

    /// Calls `body` with each piece of a sample: offset in the file, offset in the sample, bytes.
    func forEachPiece(of sample: Int, _ body: (Int, Int, Int) throws -> Void) rethrows {
        let (start, end) = (offsets[sample], offsets[sample + 1])
        var place = start
        while place < end {
            let inside = place % chunkBytes
            let count = min(end - place, chunkBytes - inside)
            try body(chunkStarts[place / chunkBytes] + inside, place - start, count)
            place += count
        }
    }
}

extension SampleLayout {
    /// The layout of the `count` samples of a shard of `bytes` bytes: patches of `grid` or, without one, JPEG files.
    ///
    /// Throws `Failure` if the datasets have other shapes or types, or are outside of the file.
    init(_ contents: ShardContents, count: Int, bytes: Int, grid: PatchGrid?) throws {
        if let grid {
            let sample = [grid.patchCount, grid.valuesPerPatch]
            let dataset = try contents.open("patches", extents: [count] + sample, type: crate_h5_uint8())
            let starts = try contents.chunkStarts(
                of: dataset, named: "patches", extents: [1] + sample, count: count, fileBytes: bytes)
            self.init(
                offsets: (0...count).map { $0 * grid.valueCount }, chunkBytes: grid.valueCount, chunkStarts: starts)
        } else {
            let offsets: [Int64] = try contents.values("offsets", count: count + 1, type: crate_h5_int64())
            // So a sample's size, by which memory is allocated, is bounded by the file's size.
            guard offsets.first == 0, zip(offsets, offsets.dropFirst()).allSatisfy({ $0 < $1 }),
                let total = offsets.last, total <= bytes
            else { throw Failure("\(contents.path): /offsets contradict each other", hint: restoreHint) }
            let dataset = try contents.open("bytes", extents: [Int(total)], type: crate_h5_uint8())
            let chunk = try contents.chunkExtent(of: dataset, named: "bytes", atMost: bytes)
            let starts = try contents.chunkStarts(
                of: dataset, named: "bytes", extents: [chunk], count: (Int(total) + chunk - 1) / chunk, fileBytes: bytes
            )
            self.init(offsets: offsets.map { Int($0) }, chunkBytes: chunk, chunkStarts: starts)
        }
    }
}
