import Base
import Foundation
import Images
import Kernels

/// Shards of drawn images, for measurements without a data set.
package enum DrawnShards {
    /// Writes a shard directory of `count` images to `path`. Images are 8/7 of `imageSize`, as ImageNet's are (within the limits of shards),
    /// so that reading them costs the same. Throws `Failure` if something cannot be written.
    package static func write(to path: String, count: Int, imageSize: Int, patchSize: Int) throws {
        let most = min(PatchLimits.imageSize / patchSize, PatchLimits.patchesPerSide)
        let side = min((imageSize * 8 / 7 + patchSize - 1) / patchSize, most)
        let grid = try PatchGrid(imageSize: side * patchSize, patchSize: patchSize)
        let source = "\(path)-images"
        defer { try? FileManager.default.removeItem(atPath: source) }
        try makeDirectory("\(source)/drawn")
        for number in 0..<count {
            let image = try Drawing.image(number: number, label: number % 10, side: grid.imageSize, seed: 0)
            try DurableFile.write(JPEGEncoder.encode(image), to: "\(source)/drawn/\(number).jpg")
        }
        _ = try Sharding.run(
            source: ShardSource(source), output: path,
            options: ShardingOptions(.patches(grid), shardSize: count, isStrict: true))
    }
}
