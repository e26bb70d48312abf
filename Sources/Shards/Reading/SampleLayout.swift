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

    /// Byte ranges of all chunks in the file.
    var extents: [Range<Int>] { chunkStarts.map { $0..<$0 + chunkBytes } }
}
