import Base

/// The kind of a B-tree, version 1.
struct HDF5Tree {
    /// 0 of a group, 1 of chunks.
    let kind: UInt8
    let keyBytes: Int
    /// The most entries of a node.
    let entries: Int
    /// What it belongs to, for messages.
    let name: String

    /// A sound tree of 2^48 entries has fewer levels.
    static let mostLevels = 10

    var nodeBytes: Int { 24 + entries * (keyBytes + 8) + keyBytes }
}

extension HDF5File {
    /// The entries of the leaves of the tree at `address`, in order: the key in front of each, and its address.
    ///
    /// Reads each node once, and no more than `limit` entries. Throws `HDF5Problem`.
    mutating func leaves(
        of address: Int, _ tree: HDF5Tree, atMost limit: Int
    ) throws -> [(key: HDF5Fields, address: Int)] {
        var leaves: [(key: HDF5Fields, address: Int)] = []
        // What is still to be read, the next at the end. The level of the root is not known.
        var pending: [(address: Int, level: Int?)] = [(address, nil)]
        while let (address, level) = pending.popLast() {
            var node = try fields(tree.nodeBytes, at: address, of: "the index of \(tree.name)")
            try node.expect(Array("TREE".utf8) + [tree.kind], "the index of \(tree.name)")
            let (own, count) = (try node.number(1), try node.number(2))
            // The level falls from node to node, so a circle ends.
            guard own == level ?? own, own < HDF5Tree.mostLevels, count > 0, count <= tree.entries else {
                throw HDF5Problem("the index of \(tree.name) contradicts itself")
            }
            // Its neighbours.
            try node.skip(16)
            let entries = try (0..<count).map { _ in
                (key: HDF5Fields(try node.take(tree.keyBytes)), address: try node.number(8))
            }
            if own > 0 {
                pending += entries.reversed().map { ($0.address, own - 1) }
            } else {
                leaves += entries
            }
            guard leaves.count + pending.count <= limit else {
                throw HDF5Problem("the index of \(tree.name) has too many entries")
            }
        }
        return leaves
    }
}
