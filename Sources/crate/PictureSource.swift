import Analysis
import Base
import Images
import Shards

/// Image files, or samples of shards, evenly spaced.
struct PictureSource {
    private let images: [String]
    private var shards: ShardDirectory?
    let count: Int

    /// `images` or, if `data` names a shard directory, up to `samples` of it. Throws `Failure` if that cannot be read or is empty.
    init(images: [String], data: String?, samples: Int) throws {
        self.images = images
        shards = try data.map { try ShardDirectory(path: $0) }
        count = shards.map { min(samples, $0.count) } ?? images.count
        guard count > 0 else { throw Failure("\(data ?? "") holds no samples", hint: "shard some images") }
    }

    /// Picture `position` of `count`, a file's in `format`, for an input of `side` pixels, and its path: that of its file, or of the file in
    /// the source of the shards. Throws `Failure` if it cannot be read.
    mutating func picture(_ position: Int, as format: PixelFormat, side: Int) throws -> (picture: Picture, path: String)
    {
        guard var directory = shards else {
            return (try Picture(file: images[position], as: format, side: side, key: position), images[position])
        }
        defer { shards = directory }
        let sample = position * directory.count / count
        return (try directory.picture(sample: sample, side: side), try directory.key(sample: sample))
    }
}
