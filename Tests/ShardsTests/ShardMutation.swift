import Base
import CHDF5
import Foundation
import Testing

/// One seeded change to a shard directory.
enum ShardMutation: CaseIterable {
    case flippedBits, truncation, appended, flippedIndex, truncatedIndex, hugeNumber, swappedFiles
    // Valid HDF5 files with different contents and matching checksums.
    case swappedDatasets, missingDataset, otherType, otherShape, hugeShape

    static func apply(to path: String, using generator: inout KeyedGenerator) throws -> ShardMutation {
        let mutation = allCases[generator.index(below: allCases.count)]
        let number = generator.index(below: 3)
        let shard = "\(path)/shard-0000\(number).h5"
        switch mutation {
        case .flippedBits: try change(shard) { flip(&$0, using: &generator) }
        case .truncation: try change(shard) { $0.removeLast(1 + generator.index(below: $0.count)) }
        case .appended:
            try change(shard) { $0.append(contentsOf: [UInt8](repeating: 0, count: 1 + generator.index(below: 99))) }
        case .flippedIndex: try change("\(path)/index.json") { flip(&$0, using: &generator) }
        case .truncatedIndex:
            try change("\(path)/index.json") { $0.removeLast(3 + generator.index(below: $0.count - 2)) }
        case .hugeNumber:
            let names = ["total", "imageSize", "patchSize", "formatVersion"]
            let (index, name) = (generator.index(below: 7), names[generator.index(below: names.count)])
            let value = 1 << (5 + generator.index(below: 58))
            if index > 3 {
                try editShard(number, of: path) { $0[["count", "bytes", "checksum"][index - 4]] = value }
            } else {
                try editIndex(of: path) { $0[name] = value }
            }
        case .swappedFiles:
            try FileManager.default.moveItem(atPath: shard, toPath: "\(path)/other")
            let other = "\(path)/shard-0000\((number + 1) % 3).h5"
            try FileManager.default.moveItem(atPath: other, toPath: shard)
            try FileManager.default.moveItem(atPath: "\(path)/other", toPath: other)
        case .swappedDatasets, .missingDataset, .otherType, .otherShape, .hugeShape:
            try rewrite(shard, mutation, using: &generator)
            let data = try Data(contentsOf: URL(fileURLWithPath: shard))
            try editShard(number, of: path) {
                $0["structure"] = nil
                $0["bytes"] = data.count
                $0["checksum"] = data.withUnsafeBytes { Checksum(of: $0).value }
            }
        }
        return mutation
    }

    private static func change(_ path: String, _ body: (inout Data) -> Void) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        body(&data)
        try data.write(to: URL(fileURLWithPath: path))
    }

    private static func flip(_ data: inout Data, using generator: inout KeyedGenerator) {
        for _ in 0...generator.index(below: 8) {
            data[generator.index(below: data.count)] ^= 1 << UInt8(generator.index(below: 8))
        }
    }

    /// Moves or replaces a dataset of the shard file `path`.
    private static func rewrite(_ path: String, _ mutation: ShardMutation, using generator: inout KeyedGenerator) throws
    {
        crate_h5_prepare()
        let file = H5Fopen(path, crate_h5_read_write(), crate_h5_default())
        try #require(file >= 0)
        defer { H5Fclose(file) }
        let all: [String] = ["patches", "bytes", "offsets", "labels", "checksums", "keys"]
        let names = all.filter { H5Lexists(file, $0, crate_h5_default()) > 0 }
        let first = generator.index(below: names.count)
        let second = (first + 1 + generator.index(below: names.count - 1)) % names.count
        func move(_ from: String, _ to: String) {
            H5Lmove(file, from, file, to, crate_h5_default(), crate_h5_default())
        }
        if mutation == .swappedDatasets {
            move(names[first], "kept")
            move(names[second], names[first])
            return move("kept", names[second])
        }
        H5Ldelete(file, names[first], crate_h5_default())
        guard mutation != .missingDataset else { return }
        var extents: [hsize_t] = [4]
        let types = [crate_h5_uint8(), crate_h5_int64(), crate_h5_uint32(), crate_h5_string()]
        let own = ["patches": 0, "bytes": 0, "offsets": 1, "labels": 1, "checksums": 2][names[first]] ?? 3
        var type = types[own]
        switch mutation {
        case .otherType: type = types[(own + 1 + generator.index(below: 3)) % 4]
        case .otherShape: extents = (0..<2 + generator.index(below: 4)).map { _ in hsize_t(generator.index(below: 9)) }
        default: extents = [hsize_t(1) << (20 + hsize_t(generator.index(below: 40)))]
        }
        // In chunks, so that nothing is written for a size that is only claimed.
        let space = H5Screate_simple(Int32(extents.count), extents, nil)
        let creation = H5Pcreate(crate_h5_dataset_creation())
        H5Pset_chunk(creation, Int32(extents.count), extents.map { min(max($0, 1), 64) })
        let dataset = H5Dcreate2(file, names[first], type, space, crate_h5_default(), creation, crate_h5_default())
        if dataset >= 0 { H5Dclose(dataset) }
        H5Pclose(creation)
        H5Sclose(space)
    }
}
