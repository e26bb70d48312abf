import Base

// The superblock, the root group and the headers of objects, in the earliest versions of the format (III.A and IV.A of its specification).

extension HDF5File {
    /// The names in the root group, and where the headers of the objects are. Throws `HDF5Problem`.
    mutating func rootGroup() throws -> [ExactName: Int] {
        guard file.byteCount >= 96 else { throw HDF5Problem("it is too short") }
        var superblock = try fields(96, at: 0, of: "the superblock")
        guard try superblock.take(8) == [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A] else {
            throw HDF5Problem("it does not begin like one")
        }
        // Versions of four parts, a reserved byte, bytes of addresses and of sizes, reserved, entries of nodes, flags, the file's start.
        try superblock.expect(
            [0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0] + [UInt8](repeating: 0, count: 12), "the superblock")
        try superblock.skip(8)
        guard try superblock.number(8) == file.byteCount else { throw HDF5Problem("it says that it has another size") }
        try superblock.skip(16)
        let root = try messages(at: superblock.number(8), of: "the root group")
        guard var table = root[.symbolTable] else {
            throw HDF5Problem("the root group is of a kind that is not supported")
        }
        let (tree, heap) = (try table.number(8), try table.number(8))
        let names = try groupNames(at: heap)
        var headers: [ExactName: Int] = [:]
        // A root group of eight datasets has one node, and there are five of ours.
        let nodes = try leaves(
            of: tree, HDF5Tree(kind: 0, keyBytes: 8, entries: 32, name: "the root group"), atMost: 64)
        for node in nodes {
            for (name, header) in try groupEntries(at: node.address) {
                guard name < names.count, let end = names[name...].firstIndex(of: 0) else {
                    throw HDF5Problem("a name lies outside of the names")
                }
                let text = ExactName(String(decoding: names[name..<end], as: UTF8.self))
                guard headers.updateValue(header, forKey: text) == nil else {
                    throw HDF5Problem("two objects are called /\(text.text.printable)")
                }
            }
        }
        return headers
    }

    /// The local heap at `address`, which holds the names of a group.
    private mutating func groupNames(at address: Int) throws -> [UInt8] {
        var heap = try fields(32, at: address, of: "the heap of names")
        try heap.expect(Array("HEAP".utf8) + [0, 0, 0, 0], "the heap of names")
        let size = try heap.number(8)
        // Where the first free part is.
        try heap.skip(8)
        guard size <= 1 << 16 else { throw HDF5Problem("the root group has too many names") }
        var names = try fields(size, at: heap.number(8), of: "the heap of names")
        return try names.take(size)
    }

    /// The entries of a symbol table node: the place of the name, and of the object's header.
    private mutating func groupEntries(at address: Int) throws -> [(name: Int, header: Int)] {
        var node = try fields(8 + 8 * 40, at: address, of: "the root group")
        try node.expect(Array("SNOD".utf8) + [1, 0], "the root group")
        let count = try node.number(2)
        guard count <= 8 else { throw HDF5Problem("a node of the root group has \(count) entries") }
        return try (0..<count).map { _ in
            let name = try node.number(8)
            var header = HDF5Fields(try node.take(8))
            // 0: nothing is cached, 1: what is cached says that this is a group, 2: a symbolic link, which has no header.
            guard try node.number(4) < 2 else { throw HDF5Problem("it has a link, which is not supported") }
            try node.skip(20)
            return (name, try header.number(8))
        }
    }

    /// The messages of the object header at `address` that describe a dataset or a group. Throws `HDF5Problem` for messages that change
    /// how the data are to be read.
    mutating func messages(at address: Int, of name: String) throws -> [HDF5Message: HDF5Fields] {
        var head = try fields(16, at: address, of: "the header of \(name)")
        guard try head.number(1) == 1 else {
            throw HDF5Problem("the header of \(name) has a version that is not supported")
        }
        try head.skip(1)
        var left = try head.number(2)
        try head.skip(4)
        var blocks = [(address: address + 16, size: try head.number(4))]
        var found: [HDF5Message: HDF5Fields] = [:]
        var next = 0
        while next < blocks.count, left > 0 {
            var block = try fields(blocks[next].size, at: blocks[next].address, of: "the header of \(name)")
            next += 1
            while block.count >= 8, left > 0 {
                let (type, size, flags) = (try block.number(2), try block.number(2), try block.number(1))
                try block.skip(3)
                let message = HDF5Fields(try block.take(size))
                left -= 1
                if type == HDF5Message.continuation {
                    var place = message
                    blocks.append((try place.number(8), try place.number(8)))
                } else if let kind = HDF5Message(rawValue: type) {
                    guard flags & 2 == 0, found.updateValue(message, forKey: kind) == nil else {
                        throw HDF5Problem("the header of \(name) says something twice or elsewhere")
                    }
                } else if !HDF5Message.irrelevant.contains(type) {
                    throw HDF5Problem("\(name) has \(HDF5Message.description(of: type)), which is not supported")
                }
            }
        }
        return found
    }
}

/// Messages of object headers that are read.
enum HDF5Message: Int {
    case dataspace = 1
    case datatype = 3
    case layout = 8
    case symbolTable = 17

    static let continuation = 16
    /// Nothing, fill values, attributes, comments, times: they do not change what is stored where.
    static let irrelevant: Set<Int> = [0, 4, 5, 12, 13, 14, 18]

    static func description(of type: Int) -> String {
        switch type {
        case 6: "a link"
        case 7: "external storage"
        case 11: "filters"
        default: "a message of type \(type)"
        }
    }
}
