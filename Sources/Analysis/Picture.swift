import Base
import Foundation
import Images
import Kernels
import Shards

/// An image and its framing for a model.
package struct Picture: Sendable {
    /// The file's name without extension, or the sample's number.
    package let name: String
    package let image: Image
    package let framing: Framing
    /// The key from which its mask is drawn.
    package let key: Int
}

extension Picture {
    /// Of a file, far above what the largest image takes.
    private static let byteLimit = 1 << 30

    /// The image file `path` in `format`, framed for an input of `side` pixels as in evaluation. Throws `Failure` if it
    /// cannot be read.
    package init(file path: String, as format: PixelFormat = .rgb, side: Int, key: Int) throws {
        var isDirectory: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        guard !isDirectory.boolValue else {
            throw Failure("\(path) is a directory", hint: "name the JPEG or PNG files in it")
        }
        let contents = try RegularFile.contents(of: path, limit: Self.byteLimit)
        do {
            image = try ImageDecoder.decode(contents, as: format)
        } catch {
            let failure = Failure(from: error)
            throw Failure("\(path): \(failure.problem)", hint: failure.hint)
        }
        framing = Framing.evaluation(width: image.width, height: image.height, side: side)
        name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        self.key = key
    }
}

extension ShardDirectory {
    /// The sample framed for an input of `side` pixels, with the key of its mask in evaluation. Throws `Failure` if it
    /// cannot be read.
    package mutating func picture(sample: Int, side: Int) throws -> Picture {
        let image = try image(sample: sample)
        let framing =
            index.imageSize > 0
            ? Framing.evaluation(stored: image.width, side: side)
            : Framing.evaluation(width: image.width, height: image.height, side: side)
        return Picture(name: "sample-\(sample)", image: image, framing: framing, key: sample)
    }
}

extension Image {
    /// Each pixel replaced by what `paint` makes of its row, its column, and its red, green and blue.
    func repainted(_ paint: (_ row: Int, _ column: Int, SIMD3<UInt8>) -> SIMD3<UInt8>) throws -> Image {
        var pixels = pixels
        for index in 0..<width * height {
            let pixel = SIMD3(pixels[3 * index], pixels[3 * index + 1], pixels[3 * index + 2])
            let painted = paint(index / width, index % width, pixel)
            for channel in 0..<3 { pixels[3 * index + channel] = painted[channel] }
        }
        return try Image(width: width, height: height, pixels: pixels)
    }
}

/// Pictures as model input: framed, normalised, and cut into patches (N, L, V).
struct FramedPictures: ~Copyable {
    let patches: OwnedBuffer<Float>
    private let tiling: PatchTiling
    private let view: BandView
    private let normaliser: PatchNormaliser
    private let framed: OwnedBuffer<Float>
    private var resampler: Resampler
}

extension FramedPictures {
    /// Throws `Failure` if memory is short.
    init(_ tiling: PatchTiling, _ normalisation: Normalisation, _ view: BandView, capacity: Int) throws {
        let channels = normalisation.channels
        self.init(
            patches: try OwnedBuffer(count: capacity * tiling.valueCount(channels: channels)), tiling: tiling,
            view: view,
            normaliser: try PatchNormaliser(normalisation),
            framed: try OwnedBuffer(count: channels * tiling.imageSize * tiling.imageSize),
            resampler: try Resampler())
    }

    /// `picture` framed but not normalised, as it is shown.
    mutating func image(of picture: Picture) throws -> Image {
        try view.picture(resampler.resample(picture.image, framing: picture.framing))
    }

    /// Throws `Failure` if the picture has other channels than the model.
    mutating func place(_ picture: Picture, at index: Int) throws {
        let image = picture.image
        guard image.format.channels == normaliser.channels else {
            throw Failure(
                "\(picture.name) has \(image.format.channels) channels, the model takes \(normaliser.channels)",
                hint: "give images of as many")
        }
        try resampler.resample(
            image.pixels, width: image.width, height: image.height, rowBytes: image.format.bytesPerPixel * image.width,
            format: image.format, framing: picture.framing, into: framed.pointer)
        normaliser.patches(
            of: framed.pointer, side: tiling.imageSize, patchSize: tiling.patchSize, stride: tiling.stride,
            into: patches.pointer + index * tiling.valueCount(channels: image.format.channels))
    }
}

extension LoadedModel {
    /// Frames `pictures` in batches, as many at a time as the replica takes, and calls `body` with each batch.
    borrowing func forEachBatch(
        of pictures: [Picture], _ body: (inout FramedPictures, [Picture]) throws -> Void
    ) throws {
        let capacity = min(pictures.count, replica.capacity)
        var framed = try FramedPictures(tiling, stored.normalisation, view, capacity: capacity)
        for first in stride(from: 0, to: pictures.count, by: max(1, capacity)) {
            let batch = Array(pictures[first..<min(pictures.count, first + capacity)])
            for (index, picture) in batch.enumerated() { try framed.place(picture, at: index) }
            try body(&framed, batch)
        }
    }
}

/// How a square image is cut into patches: p x p pixels each, `stride` pixels apart.
///
/// Training uses stride p. With a smaller stride patches overlap and the model sees more of them; its positions are
/// interpolated for the finer grid.
package struct PatchTiling: Equatable, Sendable {
    /// The image's side S in pixels.
    package let imageSize: Int
    /// A patch's side p in pixels.
    package let patchSize: Int
    /// Pixels from one patch to the next.
    package let stride: Int

    /// G = (S - p) / stride + 1.
    package var patchesPerSide: Int { (imageSize - patchSize) / stride + 1 }

    /// Values of all patches, L V.
    func valueCount(channels: Int) -> Int { patchesPerSide * patchesPerSide * channels * patchSize * patchSize }

    /// `stride` nil is `patchSize`. Throws `Failure` unless 0 < stride <= p <= S and the patches reach the image's last
    /// pixel.
    package init(imageSize: Int, patchSize: Int, stride: Int? = nil) throws {
        let stride = stride ?? patchSize
        guard (1...PatchLimits.imageSize).contains(imageSize), (1...imageSize).contains(patchSize) else {
            throw Failure(
                "patches of \(patchSize) pixels do not fit an image of \(imageSize)",
                hint: "choose an image size from \(patchSize) to \(PatchLimits.imageSize)")
        }
        guard (1...patchSize).contains(stride), (imageSize - patchSize) % stride == 0 else {
            let possible = (1...patchSize).filter { (imageSize - patchSize) % $0 == 0 }.map(String.init)
            throw Failure(
                "patches of \(patchSize) pixels, \(stride) apart, do not cover an image of \(imageSize)",
                hint: "choose another image size, or a stride of \(possible.joined(separator: ", "))")
        }
        guard (imageSize - patchSize) / stride < PatchLimits.patchesPerSide else {
            throw Failure(
                "\((imageSize - patchSize) / stride + 1) patches per side are more than \(PatchLimits.patchesPerSide)",
                hint: "choose a larger --stride or a smaller --image-size")
        }
        self.imageSize = imageSize
        self.patchSize = patchSize
        self.stride = stride
    }

    /// The patch with the centre nearest to the pixel at `row` and `column` of the image, rescaled to `side` pixels.
    func nearest(row: Int, column: Int, side: Int) -> Int {
        func patch(_ pixel: Int) -> Int { max(0, min(patchesPerSide - 1, Int(place(pixel, side: side).rounded()))) }
        return patch(row) * patchesPerSide + patch(column)
    }

    /// The coordinate of row or column `pixel` of the image, rescaled to `side` pixels, where the centres of patches
    /// are at 0, 1, ..., G - 1.
    func place(_ pixel: Int, side: Int) -> Float {
        let centre = (Float(pixel) + 0.5) * Float(imageSize) / Float(side)
        return (centre - Float(patchSize) / 2) / Float(stride)
    }
}
