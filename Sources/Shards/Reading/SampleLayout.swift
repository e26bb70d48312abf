import Base
import CHDF5
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
