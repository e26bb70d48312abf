import Base
import Foundation

/// What the end of a Parquet file says: its columns, and where their pages are.
struct ParquetFooter {
    enum Codec: Int, Sendable {
        case none = 0
        case snappy = 1
        case gzip = 2
        case zstd = 6
    }

    enum ValueType: Int, Sendable {
        case int32 = 1
        case int64 = 2
        case bytes = 6

        /// Of a number.
        var byteCount: Int { self == .int32 ? 4 : 8 }
    }

    /// A column of single values: no list is above it.
    struct Column: Sendable {
        /// Its name, below those of the structures that hold it.
        let path: [String]
        let type: ValueType
        /// How many of it and its structures can be missing; a value that is there has this definition level.
        let level: Int
    }

    /// The pages of a column in a row group.
    struct Chunk: Sendable {
        let range: Range<Int>
        let codec: Codec
        let rows: Int
    }

    let columns: [Column]
    /// By the path of a column: its chunks in the order of the rows.
    private let chunks: [[String]: [Chunk]]
    let metadata: [String: String]

    func chunks(of column: Column) -> [Chunk] { chunks[column.path] ?? [] }

    /// Reads the footer of `file`. Throws `Failure` if it is damaged, encrypted or has another codec.
    init(_ file: SourceFile) throws {
        let damaged = Failure("\(file.path) has a damaged footer", hint: "fetch the file again")
        guard file.size >= 12 else { throw damaged }
        let end = LittleEndian(try file.bytes(8, at: file.size - 8))
        guard end.bytes[4...].elementsEqual(Array("PAR1".utf8)) else {
            throw Failure("\(file.path) is cut short or encrypted: it has no footer", hint: "fetch the file again")
        }
        let size = end.number(4, at: 0)
        guard size <= min(file.size - 12, 64 << 20) else { throw damaged }
        var reader = ThriftReader(try file.bytes(size, at: file.size - 8 - size))
        guard let footer = try? reader.structure() else { throw damaged }
        columns = Self.columns(of: footer.list(2))
        var chunks: [[String]: [Chunk]] = [:]
        for group in footer.list(4) {
            for column in group.list(1) {
                guard let data = column[3], let rows = group.count(3) else { throw damaged }
                let path = data.list(3).compactMap(\.text)
                guard columns.contains(where: { $0.path == path }) else { continue }
                guard let codec = data.number(4).flatMap({ Codec(rawValue: $0) }) else {
                    throw Failure(
                        "\(file.path) is compressed by codec \(data.number(4) ?? -1)",
                        hint: "write it with snappy, gzip, zstd or without compression")
                }
                guard let first = data.count(9), let length = data.count(7), data.count(5) == rows else {
                    throw damaged
                }
                // Some writers give 0 where there is no dictionary.
                let dictionary = data.count(11).flatMap { $0 > 0 ? $0 : nil } ?? first
                let start = min(first, dictionary)
                guard start <= file.size, length <= file.size - start else { throw damaged }
                chunks[path, default: []].append(Chunk(range: start..<start + length, codec: codec, rows: rows))
            }
        }
        self.chunks = chunks
        metadata = Dictionary(
            footer.list(5).compactMap { pair in pair.text(1).map { ($0, pair.text(2) ?? "") } },
            uniquingKeysWith: { first, _ in first })
    }

    /// The columns of single values in the tree `schema`, which lists each node before those in it.
    private static func columns(of schema: [ThriftValue]) -> [Column] {
        var columns: [Column] = []
        var open: [(name: String, left: Int, level: Int, isRepeated: Bool)] = []
        for node in schema.dropFirst() {
            while let last = open.last, last.left == 0 { open.removeLast() }
            if !open.isEmpty { open[open.count - 1].left -= 1 }
            let name = node.text(4) ?? ""
            let level = (open.last?.level ?? 0) + (node.number(3) == 1 ? 1 : 0)
            let isRepeated = open.last?.isRepeated ?? false || node.number(3) == 2
            if let children = node.count(5), children > 0 {
                guard open.count < 16 else { return columns }
                open.append((name, children, level, isRepeated))
            } else if let type = node.number(1).flatMap({ ValueType(rawValue: $0) }), !isRepeated {
                columns.append(Column(path: open.map(\.name) + [name], type: type, level: level))
            }
        }
        return columns
    }

    /// The names of the classes in the order of the labels in column `name`, as Hugging Face stores them; nil if it does not.
    func classNames(of name: String) -> [String]? {
        let json = metadata["huggingface"].flatMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) }
        let info = (json as? [String: Any])?["info"] as? [String: Any]
        let feature = (info?["features"] as? [String: Any])?[name] as? [String: Any]
        return feature?["names"] as? [String]
    }
}
