import Base
import Foundation
import Images

/// `index.json` of a directory of shards. Written last, so a directory without it is incomplete.
package struct ShardIndex: Codable, Equatable, Sendable {
    package struct Shard: Codable, Equatable, Sendable {
        /// The file's name in the directory.
        @PlainName package private(set) var file: String
        /// Number of samples.
        @Count package private(set) var count: Int
        /// Size of the file.
        @Count package private(set) var bytes: Int
        /// CRC-32 of the whole file.
        package let checksum: UInt32
        /// Checked before the structure is read; absent in version 1.
        package let structure: ShardStructure?
    }

    package enum Encoding: String, Codable, Sendable {
        /// Patches of decoded images of one size.
        case patches
        case jpeg
    }

    /// The version that this program writes. It also reads version 1, which has patches only.
    package static let currentVersion = 2
    package static let fileName = "index.json"

    package let formatVersion: Int
    package let encoding: Encoding
    /// The side of the stored images in pixels; 0 where they are image files of any size.
    package let imageSize: Int
    /// The side of a patch in pixels; absent for JPEG.
    package let patchSize: Int?
    /// Absent for RGB of 8 bits.
    private let channels, depth: Int?
    /// A label is an index into the class names.
    package let classes: [String]
    /// The mean of each channel over all pixels, in units of 0...1.
    package let mean: [Double]
    /// The standard deviation of each channel over all pixels, in units of 0...1.
    package let std: [Double]
    /// Number of samples.
    @Count package private(set) var total: Int
    /// In the order of the samples.
    package let shards: [Shard]
    /// Absent in version 1.
    package let recipe: ShardRecipe?

    init(
        recipe: ShardRecipe, format: PixelFormat, classes: [String], statistics: PixelStatistics, shards: [Shard]
    ) {
        formatVersion = ShardIndex.currentVersion
        encoding = recipe.encoding
        imageSize = recipe.imageSize
        patchSize = recipe.patchSize
        (channels, depth) = format == .rgb ? (nil, nil) : (format.channels, format.depth)
        self.classes = classes
        mean = statistics.mean(format)
        std = statistics.deviation(format)
        total = shards.reduce(0) { $0 + $1.count }
        self.shards = shards
        self.recipe = recipe
    }

    /// Of shards with samples of the kind that `other` has, which were copied from shards: without a recipe, since no source is known.
    init(copiedFrom other: ShardIndex, classes: [String], mean: [Double], std: [Double], shards: [Shard]) {
        formatVersion = ShardIndex.currentVersion
        encoding = other.encoding
        imageSize = other.imageSize
        patchSize = other.patchSize
        (channels, depth) = (other.channels, other.depth)
        self.classes = classes
        self.mean = mean
        self.std = std
        total = shards.reduce(0) { $0 + $1.count }
        self.shards = shards
        recipe = nil
    }

    /// What a sample is: shards of which this is equal can be put together.
    package var storedForm: String {
        let format = pixelFormat == .rgb ? "" : ", \(pixelFormat)"
        switch (encoding, imageSize) {
        case (.patches, let size): return "\(size) x \(size) pixels in patches of \(patchSize ?? 0)\(format)"
        case (.jpeg, 0): return "image files of any size\(format)"
        case (.jpeg, let size): return "JPEG files of \(size) x \(size) pixels"
        }
    }

    /// The most pixels of an image that is stored as a JPEG file.
    package var pixelLimit: Int { recipe?.pixelLimit ?? ImageDecoder.pixelLimit }

    /// Of the stored images. Checked when the index is read.
    package var pixelFormat: PixelFormat { (try? storedFormat()) ?? .rgb }

    /// Throws `Failure` if the index names no format.
    func storedFormat() throws -> PixelFormat { try PixelFormat(channels: channels ?? 3, depth: depth ?? 8) }

    /// Throws `Failure` for JPEG, or if the sizes are inconsistent.
    package func grid() throws -> PatchGrid {
        guard let patchSize else {
            throw Failure("the shards hold no patches", hint: "shard the source again with --encoding patches")
        }
        return try PatchGrid(imageSize: imageSize, patchSize: patchSize, pixel: pixelFormat)
    }

    /// Reads and checks the index of `directory`, and that every shard file has its full size.
    ///
    /// Throws `Failure` naming the file that is missing, unreadable, of another version or inconsistent.
    package static func load(directory: String) throws -> ShardIndex {
        let index = try read(directory: directory)
        for shard in index.shards { try shard.checkFile(directory: directory) }
        return index
    }

    /// Reads and checks the index of `directory` without its shards.
    ///
    /// Throws `Failure` if it is missing, unreadable, of another version or inconsistent.
    package static func read(directory: String) throws -> ShardIndex {
        let path = directory.appending(name: fileName)
        let data: Data
        do {
            data = Data(try RegularFile.contents(of: path))
        } catch let failure as Failure {
            throw Failure(failure.problem, hint: "name a directory that `crate shard` has finished")
        }
        let index: ShardIndex
        do {
            let decoder = JSONDecoder()
            // Another version may have other fields: report the version and not a missing field.
            let head = try decoder.decode(Head.self, from: data)
            guard (1...currentVersion).contains(head.formatVersion) else {
                throw Failure(
                    "\(path) has format version \(head.formatVersion), this program reads up to \(currentVersion)",
                    hint: "shard the source again with this program")
            }
            guard let encoding = head.encoding, Encoding(rawValue: encoding) != nil else {
                throw Failure("\(path): unknown encoding \"\(head.encoding ?? "")\"", hint: indexHint)
            }
            try IndexChecksum.check(data, path: path)
            index = try decoder.decode(ShardIndex.self, from: data)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure("\(path) is not a shard index: \(Failure(from: error).problem)", hint: indexHint)
        }
        try index.checkContents(path: path)
        return index
    }

    /// Throws `Failure` if that fails.
    package func write(directory: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let path = directory.appending(name: ShardIndex.fileName)
        let text = IndexChecksum.added(to: try encoder.encode(self) + [UInt8(ascii: "\n")])
        try DurableFile.write([UInt8](text), to: path)
    }

    /// The checksum of the index file, which contains those of all shards. Throws `Failure` if it cannot be read.
    package static func fingerprint(directory: String) throws -> String {
        let path = directory.appending(name: fileName)
        return String(format: "%08x", Checksum(of: try RegularFile.contents(of: path)).value)
    }

    private struct Head: Codable {
        let formatVersion: Int
        let encoding: String?
    }
}

/// The hint for a corrupt index.
let indexHint = "restore it, or shard the source again"

/// The hint for a missing or corrupt shard.
package let restoreHint =
    "restore the file, let crate verify --repair make it again, or train without it by --on-corrupt substitute"
