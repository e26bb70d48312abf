import Base
import HDF5
import Images

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
    /// The smallest chunk of JPEG files that are longer: each piece of a sample is read by itself.
    private static let leastChunk = 4096

    /// The layout of the `count` samples of a shard: patches of `grid` or, without one, JPEG files.
    ///
    /// Throws `Failure` if the datasets have other shapes or types, or are outside of the file.
    init(_ contents: inout HDF5File, count: Int, grid: PatchGrid?) throws {
        if let grid {
            let sample = [grid.patchCount, grid.valuesPerPatch]
            let patches = try contents.dataset(
                "patches", grid.pixel.depth == 8 ? .uint8 : .uint16, extents: [count] + sample)
            guard patches.chunkExtents == [1] + sample else {
                throw Failure("\(contents.file.path): /patches has no chunk for each sample", hint: restoreHint)
            }
            self.init(
                offsets: (0...count).map { $0 * grid.byteCount }, chunkBytes: grid.byteCount,
                chunkStarts: try contents.chunkStarts(of: patches))
        } else {
            let offsets: [Int64] = try contents.values("offsets", .int64, count: count + 1)
            // So a sample's size, by which memory is allocated, is bounded by the file's size.
            guard offsets.first == 0, zip(offsets, offsets.dropFirst()).allSatisfy({ $0 < $1 }),
                let total = offsets.last.map({ Int($0) }), total <= contents.file.byteCount
            else { throw Failure("\(contents.file.path): /offsets contradict each other", hint: restoreHint) }
            let bytes = try contents.dataset("bytes", .uint8, extents: [total])
            guard let chunk = bytes.chunkExtents?[0], chunk >= min(total, SampleLayout.leastChunk) else {
                throw Failure("\(contents.file.path): /bytes is not stored in large chunks", hint: restoreHint)
            }
            self.init(
                offsets: offsets.map { Int($0) }, chunkBytes: chunk, chunkStarts: try contents.chunkStarts(of: bytes))
        }
    }
}
