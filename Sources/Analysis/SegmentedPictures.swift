import Base
import Foundation
import Images
import Kernels

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
        let found: [String]
        do {
            found = try FileManager.default.subpathsOfDirectory(atPath: images).sorted()
                .filter { kinds.contains(($0 as NSString).pathExtension.lowercased()) }
        } catch {
            throw Failure("cannot read the directory \(images)", hint: "give the directory of crate synthesize")
        }
        let taken = min(count, found.count)
        guard taken > 1 else { throw Failure("\(images) has fewer than two images", hint: "add images") }
        self.images = images
        self.masks = masks
        names = (0..<taken).map { position in
            let path = found[position * found.count / taken] as NSString
            return (path.deletingPathExtension, path.pathExtension)
        }
    }

    /// Picture `index` for an input of `side` pixels, and how many pixels of each of its `grid` x `grid` patches belong
    /// to an object. Throws `Failure` if image or mask cannot be read, they differ in size, or the mask has no object.
    package func picture(_ index: Int, side: Int, grid: Int) throws -> (picture: Picture, objects: [Int]) {
        let (stem, kind) = names[index]
        let path = "\(masks)/\(stem).png"
        let picture = try Picture(file: "\(images)/\(stem).\(kind)", side: side, key: index)
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
                try pictures.picture($0, side: side, grid: grid)
            }
            for (maps, (_, objects)) in zip(
                try attentionMaps(of: segmented.map(\.picture), block: block), segmented)
            {
                emergence.add(maps.heads, objects: objects, area: configuration.patchSize * configuration.patchSize)
            }
        }
        guard let result = emergence.result else {
            throw Failure("there are fewer than two images", hint: "add images")
        }
        return result
    }
}
