import Base
import Foundation
import Images
import Shards

/// An image and its framing for a model.
package struct Picture: Sendable {
    /// The file's name without extension, or the sample's number.
    package let name: String
    /// The image as stored.
    package let image: Image
    package let framing: Framing
    /// The key from which its mask is drawn.
    package let key: Int

    /// The image file `path`, framed for an input of `side` pixels as in evaluation. Throws `Failure` if it cannot be
    /// read.
    package init(file path: String, side: Int, key: Int) throws {
        do {
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
            guard !isDirectory.boolValue else {
                throw Failure("is a directory", hint: "name the JPEG or PNG files in it")
            }
            guard let contents = FileManager.default.contents(atPath: path) else { throw systemFailure("cannot open") }
            image = try ImageDecoder.decode([UInt8](contents))
        } catch {
            let failure = Failure(from: error)
            throw Failure("\(path): \(failure.problem)", hint: failure.hint)
        }
        framing = Framing.evaluation(width: image.width, height: image.height, side: side)
        name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        self.key = key
    }

    fileprivate init(sample: Int, image: Image, framing: Framing) {
        name = "sample-\(sample)"
        self.image = image
        self.framing = framing
        key = sample
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
        return Picture(sample: sample, image: image, framing: framing)
    }
}
