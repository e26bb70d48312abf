import Base

// Strings of variable length are in collections of the global heap; the dataset has a reference to each.

/// A collection of the global heap.
private struct HeapCollection {
    let bytes: [UInt8]
    private var objects: [Int: Range<Int>] = [:]

    /// A sound collection is 64 KiB, or as large as its one object.
    static let mostBytes = 1 << 20

    init(_ fields: HDF5Fields) throws {
        var fields = fields
        bytes = try fields.take(fields.count)
        var rest = HDF5Fields(bytes)
        while rest.count >= 16 {
            let number = try rest.number(2)
            // What is free is at the end.
            guard number != 0 else { break }
            try rest.skip(6)
            let size = try rest.number(8)
            let start = bytes.count - rest.count
            // Padded to a multiple of 8.
            try rest.skip(size)
            try rest.skip(min(rest.count, (8 - size % 8) % 8))
            objects[number] = start..<start + size
        }
    }

    func text(_ number: Int, length: Int) -> String? {
        guard let place = objects[number], length <= place.count else { return nil }
        return String(decoding: bytes[place.prefix(length)], as: UTF8.self)
    }
}

extension HDF5File {
    /// The strings at the positions `range`, inside of 0 ..< `count`, of the dataset `name` of `count` strings. Throws `Failure` if they
    /// cannot be read.
    package mutating func texts(_ name: String, in range: Range<Int>, count: Int) throws -> [String] {
        let dataset = try dataset(name, .text, extents: [count])
        do {
            guard case .contiguous(let address) = dataset.layout else {
                throw HDF5Problem("/\(name) is not stored in one piece")
            }
            let (start, bytes) = (address + 16 * range.lowerBound, 16 * range.count)
            var references = try fields(bytes, at: start, of: "/\(name)")
            var collections: [Int: HeapCollection] = [:]
            return try range.map { position in
                let (length, heap, number) = (
                    try references.number(4), try references.number(8), try references.number(4)
                )
                if length == 0 { return "" }
                let collection = try collections[heap] ?? self.collection(at: heap, of: name)
                collections[heap] = collection
                guard let text = collection.text(number, length: length) else {
                    throw HDF5Problem("string \(position) of /\(name) is missing")
                }
                return text
            }
        } catch {
            throw failure(from: error)
        }
    }

    private mutating func collection(at address: Int, of name: String) throws -> HeapCollection {
        var head = try fields(16, at: address, of: "a string of /\(name)")
        try head.expect(Array("GCOL".utf8) + [1, 0, 0, 0], "a string of /\(name)")
        let size = try head.number(8)
        guard size >= 16, size <= HeapCollection.mostBytes else {
            throw HDF5Problem("a string of /\(name) is in a part of \(size) bytes")
        }
        return try HeapCollection(fields(size - 16, at: address + 16, of: "a string of /\(name)"))
    }
}
