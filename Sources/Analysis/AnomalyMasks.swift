import Base
import Foundation
import Images
import Probing

/// Where the anomalies of images are: PNG files of the images' sizes, white where something is wrong.
package struct AnomalyMasks: Sendable {
    private let directory: String

    /// Throws `Failure` if `directory` is not one.
    package init(_ directory: String) throws {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw Failure("\(directory) is not a directory", hint: "give that of the masks")
        }
        self.directory = directory
    }

    /// The mask of the image at `path`: for `a/b/c.jpg` the first of `a/b/c.png`, `b/c.png` and `c.png` that is there, each also as
    /// `c_mask.png`. Nil if there is none.
    package func file(for path: String) -> String? {
        let kind = path.nameExtension
        let stem = kind.isEmpty ? path : String(path.dropLast(kind.count + 1))
        let names = stem.split(separator: "/").filter { $0 != "." }
        let inside = names[((names.lastIndex(of: "..") ?? -1) + 1)...]
        for start in inside.indices {
            let place = directory.appending(name: inside[start...].joined(separator: "/"))
            for file in ["\(place).png", "\(place)_mask.png"] where FileManager.default.fileExists(atPath: file) {
                return file
            }
        }
        return nil
    }

    /// Which pixels of the central square of `picture`, the image at `path`, resized to `side` pixels, belong to an anomaly: (S, S).
    ///
    /// Throws `Failure` if the mask cannot be read or differs in size from the image.
    package func anomaly(in picture: Picture, at path: String, side: Int) throws -> [Bool] {
        guard let file = file(for: path) else { return [Bool](repeating: false, count: side * side) }
        let mask = try Picture(file: file, side: side, key: 0).framedAsSquare(side: side)
        guard (mask.image.width, mask.image.height) == (picture.image.width, picture.image.height) else {
            throw Failure("\(file) differs in size from \(path)", hint: "give the masks that belong to the images")
        }
        var resampler = try Resampler()
        let framed = try resampler.resample(mask.image, framing: mask.framing)
        return (0..<side * side).map { framed.pixels[3 * $0] > 127 }
    }
}

/// How well anomaly maps find what masks show.
package struct AnomalyDetection {
    private var pixels: [(scores: [Float], isPositive: [Bool])] = []
    private var images: [(scores: [Float], isPositive: [Bool])] = []

    package init() {}

    package mutating func add(_ map: AnomalyMap, anomaly: [Bool]) {
        pixels.append((map.values, anomaly))
        images.append(([map.score], [anomaly.contains(true)]))
    }

    /// Of all pixels together, and of the images by their scores. Throws `Failure` unless there are images with anomalies and others.
    package func areas() throws -> (pixels: AreaUnderCurve, images: AreaUnderCurve) {
        guard let pixels = AreaUnderCurve(pixels), let images = AreaUnderCurve(images) else {
            let has = images.contains { $0.isPositive[0] }
            throw Failure(
                has ? "every image has a mask with an anomaly" : "no image has a mask with an anomaly",
                hint: "give sound images and others, and --masks with files of their names")
        }
        return (pixels, images)
    }
}
