import Analysis
import Images
import Shards

extension ReportGallery {
    /// The side of an image in the page at most: a photograph is smaller than the model sees it, so that the page stays small.
    private static let sideLimit = 128
    private static let gap = 2

    /// Adds what the class token of `loaded` attends to in its last encoder block, for each head and their mean, in the same samples
    /// as `addReconstructions`.
    ///
    /// Throws `Failure` where a sample cannot be read.
    public mutating func addAttention(_ loaded: borrowing LoadedModel, data: String, count: Int) throws {
        let pictures = try pictures(loaded, data, count)
        let maps = try loaded.attentionMaps(of: pictures, block: loaded.model.configuration.depth)
        try add(
            "attention", title: "Attention of the class token",
            note:
                "Last encoder block: the image, the attention of each head to its patches, and their mean, each on its own scale. "
                + "Below, the patches that together have 60% of it.",
            images: zip(pictures, maps).map { picture, maps in
                let small = AttentionMaps(original: try reduced(maps.original), grid: maps.grid, heads: maps.heads)
                return (picture.name, try small.sheet(mass: 0.6))
            })
    }

    /// Adds what `loaded` makes of `count` samples of the shards in `data`, evenly spread over them, as many as there are at most
    /// and as its memory was made for.
    ///
    /// Throws `Failure` where a sample cannot be read.
    public mutating func addReconstructions(_ loaded: borrowing LoadedModel, data: String, count: Int) throws {
        let pictures = try pictures(loaded, data, count)
        let images = try zip(pictures, loaded.reconstruct(pictures)).map { picture, result in
            let error = readable(result.meanSquaredError, digits: 3)
            return (
                "\(picture.name): loss \(readable(result.loss)), squared error \(error)",
                try row([result.original, result.masked, result.completed])
            )
        }
        try add(
            "reconstructions", title: "Reconstructions",
            note:
                "Each as the model is given it, with the hidden patches in grey, and as the newest checkpoint completes it. "
                + "Squared error: mean over the hidden patches, pixels from 0 to 1.",
            images: images)
    }

    private func pictures(_ loaded: borrowing LoadedModel, _ data: String, _ count: Int) throws -> [Picture] {
        var shards = try ShardDirectory(path: data)
        let count = min(count, shards.count)
        return try (0..<count).map {
            try shards.picture(sample: $0 * shards.count / count, side: loaded.model.configuration.imageSize)
        }
    }

    /// `image` at most as large as the page has room for one of many.
    private func reduced(_ image: Image) throws -> Image {
        guard image.height > Self.sideLimit / 2 else { return image }
        var resampler = try Resampler()
        return try resampler.resample(
            image, framing: .shortSide(ofWidth: image.width, height: image.height, to: Self.sideLimit / 2))
    }

    /// `images` side by side, reduced to the side that the page has room for.
    private func row(_ images: [Image]) throws -> Image {
        var resampler = try Resampler()
        let reduced = try images.map { image in
            guard image.height > Self.sideLimit else { return image }
            return try resampler.resample(
                image, framing: .shortSide(ofWidth: image.width, height: image.height, to: Self.sideLimit))
        }
        let (height, space) = (reduced[0].height, [UInt8](repeating: 255, count: 3 * Self.gap))
        let rows = (0..<height).flatMap { row in
            reduced.map { $0.pixels[3 * row * $0.width..<3 * (row + 1) * $0.width] }.joined(separator: space)
        }
        return try Image(width: rows.count / 3 / height, height: height, pixels: rows)
    }
}
