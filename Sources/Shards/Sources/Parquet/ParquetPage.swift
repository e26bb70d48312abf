import Base

/// Where a page of a column is, and how it is written.
struct ParquetPage: Sendable {
    enum Kind: Sendable {
        /// Levels and values compressed together.
        case data
        /// Levels of so many bytes, not compressed, and then values.
        case dataV2(levels: Int, isCompressed: Bool)
        case dictionary
    }

    let file: Int
    let kind: Kind
    let codec: ParquetFooter.Codec
    let type: ParquetFooter.ValueType
    /// The definition level of a value that is there.
    let level: Int
    /// Its bytes in the file.
    let range: Range<Int>
    /// Decompressed.
    let size: Int
    /// With those that are missing.
    let count: Int
    let encoding: Int
    /// Where the page with the values is that this one numbers; nil if it has them itself.
    let dictionary: Int?

    var isDictionary: Bool { if case .dictionary = kind { true } else { false } }
}

extension ParquetPage {
    /// The most bytes of a page and of its header. Writers close a page after about 1 MiB, but never divide a value.
    private static let (sizeLimit, headerLimit) = (256 << 20, 1 << 20)

    /// Appends the pages of `chunk` to `pages`. Throws `Failure` if they are damaged or of another kind.
    static func append(
        _ chunk: ParquetFooter.Chunk, of column: ParquetFooter.Column, in file: SourceFile, number: Int,
        to pages: inout [ParquetPage]
    ) throws {
        func failure(_ problem: String) -> Failure {
            Failure("\(file.path): the column \(column.path.joined(separator: ".")) \(problem)", hint: "fetch it again")
        }
        var (place, rows, dictionary): (Int, Int, Int?) = (chunk.range.lowerBound, 0, nil)
        while rows < chunk.rows {
            let (header, length) = try Self.header(in: file, place..<chunk.range.upperBound, failure)
            guard let size = header.count(2), let stored = header.count(3), let type = header.number(1),
                size <= sizeLimit, stored <= chunk.range.upperBound - place - length
            else { throw failure("has a damaged page") }
            let range = place + length..<place + length + stored
            place = range.upperBound
            guard type == 0 || type == 2 || type == 3 else { continue }
            let fields = header[type == 0 ? 5 : type == 2 ? 7 : 8]
            guard let fields, let count = fields.count(1), let encoding = fields.number(type == 3 ? 4 : 2) else {
                throw failure("has a damaged page")
            }
            // An empty page could be there any number of times.
            guard type == 2 || (1...chunk.rows - rows).contains(count) else { throw failure("has a damaged page") }
            let levels = (fields.count(5) ?? 0) + (fields.count(6) ?? 0)
            guard type != 3 || levels <= min(size, stored) else { throw failure("has a damaged page") }
            guard type == 2 ? [0, 2].contains(encoding) : [0, 2, 8].contains(encoding) else {
                throw failure("has the encoding \(encoding), and only PLAIN and dictionaries are read")
            }
            let isNumbered = type != 2 && encoding != 0
            guard !isNumbered || dictionary != nil else { throw failure("has no dictionary") }
            let isCompressed = fields.number(7) != 0
            let kind: Kind =
                type == 0 ? .data : type == 2 ? .dictionary : .dataV2(levels: levels, isCompressed: isCompressed)
            pages.append(
                ParquetPage(
                    file: number, kind: kind, codec: chunk.codec, type: column.type, level: column.level, range: range,
                    size: size, count: count, encoding: encoding, dictionary: isNumbered ? dictionary : nil))
            if type == 2 { dictionary = pages.count - 1 } else { rows += count }
        }
    }

    /// The header at the start of `range`, and its length.
    private static func header(
        in file: SourceFile, _ range: Range<Int>, _ failure: (String) -> Failure
    ) throws -> (ThriftValue, Int) {
        // Most are short, but may hold the least and the greatest value of the page.
        for size in [1 << 9, 1 << 14, headerLimit] {
            var reader = ThriftReader(try file.bytes(min(size, range.count), at: range.lowerBound))
            if let header = try? reader.structure() { return (header, reader.position) }
            if size >= range.count { break }
        }
        throw failure("has a damaged page")
    }

    /// Its levels and values, decompressed.
    func decompressed(from file: SourceFile) throws -> [UInt8] {
        let stored = try blamingMachine { try file.bytes(range.count, at: range.lowerBound) }
        guard case .dataV2(let levels, let isCompressed) = kind else {
            return try Self.decompressed(stored, codec, size: size)
        }
        let values = Array(stored[levels...])
        return try stored[..<levels]
            + (isCompressed ? Self.decompressed(values, codec, size: size - levels) : values)
    }

    private static func decompressed(
        _ bytes: [UInt8], _ codec: ParquetFooter.Codec, size: Int
    ) throws -> [UInt8] {
        switch codec {
        case .none: bytes
        case .snappy: try decompressedSnappy(bytes, size: size)
        case .gzip: try inflated(bytes, size: size, .gzip)
        // Nothing is compressed to nothing by some writers.
        case .zstd: size == 0 ? [] : try decompressedZstd(bytes, size: size)
        }
    }
}
