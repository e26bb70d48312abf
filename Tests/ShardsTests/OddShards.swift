import Base
import Foundation
import HDF5
import Images
import Shards

/// Shards whose keys and classes no source could have, written as `crate shard` writes others.
enum OddShards {
    /// Shards of a sample for each of `classes` with each of `keys` behind it; all have the pixels of `image`, of 32 x 32 pixels.
    static func write(to path: String, keys: [String], classes: [String], image: Image) throws {
        let grid = try PatchGrid(imageSize: 32, patchSize: 8)
        let patches = [UInt8](unsafeUninitializedCapacity: grid.byteCount) { patches, initialised in
            grid.patchify(image.pixels, into: patches.baseAddress!)
            initialised = grid.byteCount
        }
        let all = classes.flatMap { name in keys.map { "\(name)/\($0)" } }
        let sample = [grid.patchCount, grid.valuesPerPatch]
        try makeDirectory(path)
        var file = try NewHDF5File("\(path)/shard-00000.h5", isLocked: false, hint: "")
        var samples = try file.makeDataset("patches", .uint8, [all.count] + sample, chunk: [1] + sample)
        for number in all.indices { try samples.writeChunk(patches, at: [number, 0, 0]) }
        try samples.close()
        try file.writeDataset("labels", .int64, all.indices.map { Int64($0 / keys.count) })
        try file.writeDataset("checksums", .uint32, all.map { _ in Checksum(of: patches).value })
        try file.writeDataset("keys", all)
        try file.close()
        try file.commit()
        let (bytes, checksum) = try Checksum.ofFile("\(path)/shard-00000.h5")
        let index: [String: Any] = [
            "formatVersion": 1, "encoding": "patches", "imageSize": 32, "patchSize": 8, "classes": classes,
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "total": all.count,
            "shards": [
                ["file": "shard-00000.h5", "count": all.count, "bytes": bytes, "checksum": checksum] as [String: Any]
            ],
        ]
        try JSONSerialization.data(withJSONObject: index).write(to: URL(fileURLWithPath: "\(path)/index.json"))
    }
}
