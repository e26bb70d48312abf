import Base
import Foundation
import Images

// L = G G patches of an image, H heads.

/// How well masks of patches cover objects: the intersection over union (IoU) of a mask and the objects, in pixels.
///
/// Images are added one by one. A head, or the size of the blob, is chosen on the images at even positions and judged
/// on those at odd positions, so that choosing among many does not bias the result.
package struct Emergence: Sendable {
    package struct Result: Codable, Equatable, Sendable {
        package struct Overlap: Codable, Equatable, Sendable {
            /// Mean over images.
            package let iou: Double
            /// Standard error of the mean.
            package let error: Double
        }
        /// A choice made on one half of the images and its IoU on the other half.
        package struct Choice: Codable, Equatable, Sendable {
            /// The head, counted from 1, or the number of patches.
            package let chosen: Int
            package let overlap: Overlap
        }

        package let images: Int
        /// For each head, over all images.
        package let heads: [Overlap]
        package let mean: Double
        package let best: Choice
        /// The baseline that ignores the image: the best number of patches closest to the centre.
        package let blob: Choice
    }

    private let mass: Double
    /// Patches by distance from the centre.
    private let outwards: [Int]
    /// IoU of each image, (images, H) and (images, L).
    private var heads: [[Double]] = []
    private var blobs: [[Double]] = []

    /// Masks keep `mass` of a head's attention, on `grid` x `grid` patches.
    package init(mass: Double, grid: Int) {
        func distance(_ patch: Int) -> Int {
            let (row, column) = (2 * (patch / grid) + 1 - grid, 2 * (patch % grid) + 1 - grid)
            return row * row + column * column
        }
        self.mass = mass
        outwards = (0..<grid * grid).sorted { (distance($0), $0) < (distance($1), $1) }
    }

    /// Adds an image: the attention of each head (H, L), and how many of the `area` pixels of each patch belong to an
    /// object (L).
    package mutating func add(_ maps: [[Float]], objects: [Int], area: Int) {
        let total = objects.reduce(0, +)
        func overlap(covered: Int, patches: Int) -> Double {
            Double(covered) / Double(max(1, patches * area + total - covered))
        }
        heads.append(
            maps.map { map in
                let mask = AttentionMaps.mask(map, mass: mass)
                let kept = mask.indices.filter { mask[$0] }
                return overlap(covered: kept.reduce(0) { $0 + objects[$1] }, patches: kept.count)
            })
        var covered = 0
        blobs.append(
            outwards.enumerated().map { index, patch in
                covered += objects[patch]
                return overlap(covered: covered, patches: index + 1)
            })
    }

    /// Nil for fewer than two images.
    package var result: Result? {
        guard heads.count > 1 else { return nil }
        let overlaps = heads[0].indices.map { head in Self.overlap(heads.map { $0[head] }) }
        return Result(
            images: heads.count, heads: overlaps, mean: overlaps.reduce(0) { $0 + $1.iou } / Double(overlaps.count),
            best: Self.choice(heads), blob: Self.choice(blobs))
    }

    private static func choice(_ candidates: [[Double]]) -> Result.Choice {
        func half(_ candidate: Int, from first: Int) -> [Double] {
            stride(from: first, to: candidates.count, by: 2).map { candidates[$0][candidate] }
        }
        let sums = candidates[0].indices.map { half($0, from: 0).reduce(0, +) }
        // The first of equals.
        let best = sums.indices.reduce(0) { sums[$1] > sums[$0] ? $1 : $0 }
        return Result.Choice(chosen: best + 1, overlap: overlap(half(best, from: 1)))
    }

    private static func overlap(_ values: [Double]) -> Result.Overlap {
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return Result.Overlap(iou: mean, error: (squares / max(1, count - 1) / count).squareRoot())
    }
}

/// Image files with known objects: for `DIR/a/b.jpg` the mask `MASKS/a/b.png` of the same size, white inside objects.
package struct SegmentedPictures: Sendable {
    private let images: String
    private let masks: String
    /// Paths relative to `images`: without the extension, and the extension.
    private let names: [(stem: String, kind: String)]

    package var count: Int { names.count }

    /// Takes at most `count` of the images in `images`, evenly spaced in the order of their names. Throws `Failure` if
    /// the directory cannot be read or has fewer than two images.
    package init(images: String, masks: String, count: Int) throws {
        let kinds: Set = ["jpg", "jpeg", "png"]
        guard let paths = try? FileManager.default.subpathsOfDirectory(atPath: images) else {
            throw Failure("cannot read the directory \(images)", hint: "give the directory of crate synthesize")
        }
        let found = paths.sorted().filter { kinds.contains($0.nameExtension.lowercased()) }
        let taken = min(count, found.count)
        guard taken > 1 else { throw Failure("\(images) has fewer than two images", hint: "add images") }
        self.images = images
        self.masks = masks
        names = (0..<taken).map { position in
            let path = found[position * found.count / taken]
            return (String(path.dropLast(path.nameExtension.count + 1)), path.nameExtension)
        }
    }

    /// Picture `index` in `format` for an input of `side` pixels, and how many pixels of each of its `grid` x `grid` patches belong
    /// to an object. Throws `Failure` if image or mask cannot be read, they differ in size, or the mask has no object.
    package func picture(
        _ index: Int, as format: PixelFormat, side: Int, grid: Int
    ) throws -> (picture: Picture, objects: [Int]) {
        let (stem, kind) = names[index]
        let path = "\(masks)/\(stem).png"
        let picture = try Picture(file: "\(images)/\(stem).\(kind)", as: format, side: side, key: index)
        let mask = try Picture(file: path, side: side, key: index)
        guard (mask.image.width, mask.image.height) == (picture.image.width, picture.image.height) else {
            throw Failure("\(path) differs in size from its image", hint: "give the masks that belong to \(images)")
        }
        var resampler = try Resampler()
        let framed = try resampler.resample(mask.image, framing: mask.framing)
        var objects = [Int](repeating: 0, count: grid * grid)
        for row in 0..<side {
            for column in 0..<side where framed.pixels[3 * (row * side + column)] > 127 {
                objects[row * grid / side * grid + column * grid / side] += 1
            }
        }
        guard objects.contains(where: { $0 > 0 }) else {
            throw Failure("\(path) shows no object", hint: "remove it and its image")
        }
        return (picture, objects)
    }
}

extension LoadedModel {
    /// How well the class token's attention in encoder block `block`, counted from 1, covers the objects of `pictures`.
    /// Throws `Failure` if there is no such block, or an image or mask cannot be used.
    package borrowing func emergence(
        of pictures: SegmentedPictures, block: Int, mass: Double
    ) throws -> Emergence.Result {
        let configuration = model.configuration
        let (side, grid) = (configuration.imageSize, configuration.imageSize / configuration.patchSize)
        var emergence = Emergence(mass: mass, grid: grid)
        for first in stride(from: 0, to: pictures.count, by: replica.capacity) {
            let segmented = try (first..<min(pictures.count, first + replica.capacity)).map {
                try pictures.picture($0, as: pixelFormat, side: side, grid: grid)
            }
            let found = try attentionMaps(of: segmented.map(\.picture), block: block)
            for (maps, (_, objects)) in zip(found, segmented) {
                emergence.add(maps.heads, objects: objects, area: configuration.patchSize * configuration.patchSize)
            }
        }
        guard let result = emergence.result else {
            throw Failure("there are fewer than two images", hint: "add images")
        }
        return result
    }
}
