import Analysis
import Base
import Foundation
import Images
import Shards

/// The pictures of a report.
package struct ReportGallery {
    private(set) var sections: [ReportSection] = []
    /// Why pictures are missing, one sentence each.
    private(set) var remarks: [String] = []

    package init() {}

    /// Adds `images` with their captions under a heading, small ones magnified. Throws `Failure` if one cannot be encoded.
    package mutating func add(_ id: String, title: String, note: String, images: [(caption: String, image: Image)])
        throws
    {
        guard !images.isEmpty else { return }
        let figures = try images.map { caption, image in
            let width = image.width * max(1, 320 / max(1, image.width))
            let png = Data(try PNGEncoder.encode(image)).base64EncodedString()
            return """
                <figure class="picture"><img alt="\(escaped(caption))" width="\(width)" \
                src="data:image/png;base64,\(png)">\
                <figcaption>\(escaped(caption))</figcaption></figure>
                """
        }
        let body = "<p>\(escaped(note))</p><div class=\"pictures\">\(figures.joined())</div>"
        sections.append(ReportSection(id: id, title: title, body: body))
    }

    /// Notes in the report that pictures are missing, and why.
    package mutating func explain(missing pictures: String, _ failure: Failure) {
        remarks.append("No \(pictures): \(failure.problem).")
    }
}

extension ReportGallery {
    /// The largest side of an image in the page, which keeps the page small.
    private static let sideLimit = 128

    /// Adds the attention of the class token of `loaded` in its last encoder block, for each head and their mean, on the samples of
    /// `addReconstructions`.
    ///
    /// Throws `Failure` if a sample cannot be read.
    package mutating func addAttention(_ loaded: borrowing LoadedModel, data: String, count: Int) throws {
        let pictures = try pictures(loaded, data, count)
        let maps = try loaded.attentionMaps(of: pictures, block: loaded.model.configuration.depth)
        try add(
            "attention", title: "Attention of the class token",
            note:
                "Last encoder block: the image, the attention of each head to its patches, and their mean, each on its own scale. "
                + "Below, the patches that together have 60% of it.",
            images: zip(pictures, maps).map { picture, maps in
                let small = AttentionMaps(
                    original: try reduced(maps.original, to: Self.sideLimit / 2), tiling: maps.tiling, heads: maps.heads
                )
                return (picture.name, try small.sheet(mass: 0.6))
            })
    }

    /// Adds reconstructions by `loaded` of up to `count` samples of the shards in `data`, evenly spaced; `count` is at most the capacity of the
    /// replica.
    ///
    /// Throws `Failure` if a sample cannot be read.
    package mutating func addReconstructions(_ loaded: borrowing LoadedModel, data: String, count: Int) throws {
        let pictures = try pictures(loaded, data, count)
        let images = try zip(pictures, loaded.reconstruct(pictures)).map { picture, result in
            let error = readable(result.meanSquaredError, digits: 3)
            let row = try [result.original, result.masked, result.completed].map { try reduced($0, to: Self.sideLimit) }
            let caption = "\(picture.name): loss \(readable(result.loss)), squared error \(error)"
            return (caption, try Image(rows: [row], gap: 2))
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

    /// `image` with its shorter side at most `side`.
    private func reduced(_ image: Image, to side: Int) throws -> Image {
        guard image.height > side else { return image }
        var resampler = try Resampler()
        return try resampler.resample(image, framing: .shortSide(ofWidth: image.width, height: image.height, to: side))
    }
}
