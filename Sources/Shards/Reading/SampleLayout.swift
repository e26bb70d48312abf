/// Where the samples of a shard lie in its file: one behind the other in a sequence of bytes, cut into chunks.
struct SampleLayout {
    /// Where in the sequence each sample begins, and the last one's end.
    let offsets: [Int]
    /// The bytes of a chunk.
    let chunkBytes: Int
    /// Where in the file each chunk begins.
    let chunkStarts: [Int]

    /// The bytes of a sample.
    func byteCount(_ sample: Int) -> Int { offsets[sample + 1] - offsets[sample] }

    /// Calls `body` with each piece of sample `sample`: its place in the file, its place in the sample, its bytes.
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

    /// The bytes of the file that hold chunks.
    var extents: [Range<Int>] { chunkStarts.map { $0..<$0 + chunkBytes } }
}
