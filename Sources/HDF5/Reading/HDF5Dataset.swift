import Base

/// A dataset of an `HDF5File`: its shape, and where its values are.
package struct HDF5Dataset: Sendable {
    enum Layout: Equatable {
        case contiguous(address: Int)
        case chunked(tree: Int, extents: [Int])
    }

    let name: String
    let type: HDF5Type
    package let extents: [Int]
    let layout: Layout

    /// The extents of a chunk; nil if the values are in one piece.
    package var chunkExtents: [Int]? { if case .chunked(_, let extents) = layout { extents } else { nil } }
}

extension HDF5File {
    /// The dataset `name` of the root group. Throws `Failure` if there is none, it has another shape than `extents` or another type, or
    /// is stored in a way that is not supported.
    package mutating func dataset(_ name: String, _ type: HDF5Type, extents: [Int]) throws -> HDF5Dataset {
        do {
            renewBudget()
            guard let header = headers[ExactName(name)] else { throw HDF5Problem("there is no dataset /\(name)") }
            let messages = try messages(at: header, of: "/\(name)")
            guard var space = messages[.dataspace], var stored = messages[.datatype], let layout = messages[.layout]
            else { throw HDF5Problem("/\(name) is not a dataset") }
            let found = try HDF5File.extents(&space, of: name)
            guard found == extents else {
                throw HDF5Problem("/\(name) has shape \(found) and should have \(extents)")
            }
            guard try stored.take(min(type.message.count, stored.count)) == type.message else {
                throw HDF5Problem("/\(name) has the wrong type")
            }
            return HDF5Dataset(
                name: name, type: type, extents: extents,
                layout: try self.layout(layout, of: name, type, extents: extents))
        } catch {
            throw failure(from: error)
        }
    }

    private static func extents(_ space: inout HDF5Fields, of name: String) throws -> [Int] {
        let (version, rank, flags) = (try space.number(1), try space.number(1), try space.number(1))
        guard version == 1, rank <= 3, flags < 2 else { throw HDF5Problem("the shape of /\(name) is not supported") }
        try space.skip(5)
        return try (0..<rank).map { _ in try space.number(8) }
    }

    private func layout(
        _ message: HDF5Fields, of name: String, _ type: HDF5Type, extents: [Int]
    ) throws -> HDF5Dataset.Layout {
        var message = message
        let (version, kind) = (try message.number(1), try message.number(1))
        switch (version, kind) {
        case (3, 1):
            let (address, size) = (try message.number(8), try message.number(8))
            guard size == extents.product(times: type.byteCount) else {
                throw HDF5Problem("the size of /\(name) contradicts its shape")
            }
            try require(size, at: address, of: "/\(name)")
            return .contiguous(address: address)
        case (3, 2):
            let rank = try message.number(1)
            let tree = try message.number(8)
            guard rank == extents.count + 1 else { throw HDF5Problem("the chunks of /\(name) have another rank") }
            let chunk = try extents.map { _ in try message.number(4) }
            guard try message.number(4) == type.byteCount, !chunk.contains(0) else {
                throw HDF5Problem("the chunks of /\(name) have no size")
            }
            return .chunked(tree: tree, extents: chunk)
        default:
            throw HDF5Problem("the layout of /\(name) is not supported")
        }
    }

    /// All values of the dataset `name`, which is in one piece. Throws `Failure` as `dataset` does.
    package mutating func values<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: String, _ type: HDF5Type, count: Int
    ) throws -> [Value] {
        let dataset = try dataset(name, type, extents: [count])
        do {
            guard case .contiguous(let address) = dataset.layout, type.byteCount == MemoryLayout<Value>.stride else {
                throw HDF5Problem("/\(name) is not stored in one piece")
            }
            return try values(count, at: address)
        } catch {
            throw failure(from: error)
        }
    }

    /// Where each chunk of `dataset`, which is divided along its first extent alone, is in the file. Throws `Failure` unless each is there
    /// as a whole.
    package mutating func chunkStarts(of dataset: HDF5Dataset) throws -> [Int] {
        do {
            guard case .chunked(let tree, let chunk) = dataset.layout,
                chunk.dropFirst().elementsEqual(dataset.extents.dropFirst()),
                let size = chunk.product(times: dataset.type.byteCount)
            else { throw HDF5Problem("/\(dataset.name) is not stored in chunks of samples") }
            let count = dataset.extents[0] / chunk[0] + (dataset.extents[0] % chunk[0] == 0 ? 0 : 1)
            // Size, mask of filters, and the first element of the chunk in each dimension and inside of the element.
            let kind = HDF5Tree(kind: 1, keyBytes: 8 + 8 * (chunk.count + 1), entries: 64, name: "/\(dataset.name)")
            let leaves = try leaves(of: tree, kind, atMost: count)
            let others = [UInt8](repeating: 0, count: 8 * chunk.count)
            for (number, leaf) in leaves.enumerated() {
                var key = leaf.key
                guard try key.number(4) == size, try key.number(4) == 0, try key.number(8) == number * chunk[0],
                    try key.take(others.count) == others
                else { throw HDF5Problem("chunk \(number) of /\(dataset.name) is missing or filtered") }
                try require(size, at: leaf.address, of: "chunk \(number) of /\(dataset.name)")
            }
            guard leaves.count == count else { throw HDF5Problem("chunks of /\(dataset.name) are missing") }
            return leaves.map(\.address)
        } catch {
            throw failure(from: error)
        }
    }
}

extension [Int] {
    /// The product of all and of `factor`; nil if it is too large for any file.
    fileprivate func product(times factor: Int) -> Int? {
        reduce(factor) { product, extent in
            let (next, overflows) = (product ?? 0).multipliedReportingOverflow(by: extent)
            return product == nil || overflows ? nil : next
        }
    }
}
