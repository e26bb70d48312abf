import Base
import Foundation

/// A rectangle of pixels, of an image or of a resized image.
package struct Crop: Equatable, Sendable {
    package let x: Int
    package let y: Int
    package let width: Int
    package let height: Int

    package init(x: Int, y: Int, width: Int, height: Int) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    /// The square of `side` in the middle of `width` x `height` pixels; odd margins are halved to the even number,
    /// as torchvision's `CenterCrop` does.
    static func central(side: Int, ofWidth width: Int, height: Int) -> Crop {
        func margin(_ extent: Int) -> Int { Int((Double(extent - side) / 2).rounded(.toNearestOrEven)) }
        return Crop(x: margin(width), y: margin(height), width: side, height: side)
    }
}

/// Which part of a source image becomes which output image: `crop` of the source is resized to `width` x `height`,
/// of which `window` is kept, mirrored left to right if `isFlipped`.
package struct Framing: Equatable, Sendable {
    /// The part of the source that is resized. Pixels outside of it are never read.
    package let crop: Crop
    /// Columns of the resized crop.
    package let width: Int
    /// Rows of the resized crop.
    package let height: Int
    /// The part of the resized crop that is kept; only this part is computed.
    package let window: Crop
    package let isFlipped: Bool
}

extension Framing {
    package init(crop: Crop, side: Int, isFlipped: Bool = false) {
        self.init(
            crop: crop, width: side, height: side, window: Crop(x: 0, y: 0, width: side, height: side),
            isFlipped: isFlipped)
    }

    /// An image of `width` x `height` resized so that its shorter side is `size` and its longer side
    /// floor(size * longer / shorter), of which the central square of `kept`, by default `size`, is kept: torchvision's
    /// `Resize(size)` followed by `CenterCrop(kept)`.
    package static func shortSide(
        ofWidth width: Int, height: Int, to size: Int, keeping kept: Int? = nil
    ) -> Framing {
        let shorter = min(width, height)
        let resizedWidth = size * width / shorter
        let resizedHeight = size * height / shorter
        return Framing(
            crop: Crop(x: 0, y: 0, width: width, height: height), width: resizedWidth, height: resizedHeight,
            window: .central(side: kept ?? size, ofWidth: resizedWidth, height: resizedHeight), isFlipped: false)
    }

    /// The evaluation crop of a stored square image of side `stored`: its central square of side max(side, round(7/8 stored)), or all of
    /// it if it is smaller than `side`, resized to `side`.
    ///
    /// 256 stored and 224 requested need no resampling; 32 and 32 use the whole image.
    package static func evaluation(stored: Int, side: Int) -> Framing {
        let kept = min(stored, max(side, (stored * 7 + 4) / 8))
        return Framing(crop: .central(side: kept, ofWidth: stored, height: stored), side: side)
    }

    /// The evaluation crop of an image of any size: resized so that its shorter side is round(8/7 side), of which the central square of
    /// `side` is kept: torchvision's `Resize(256)` and `CenterCrop(224)`.
    package static func evaluation(width: Int, height: Int, side: Int) -> Framing {
        shortSide(ofWidth: width, height: height, to: (side * 8 + 3) / 7, keeping: side)
    }
}

extension Framing {
    /// Throws `Failure` unless the crop lies inside an image of `width` x `height`, and the window inside what it becomes.
    func requireInside(width: Int, height: Int) throws {
        guard crop.x >= 0, crop.y >= 0, crop.width > 0, crop.height > 0, crop.x <= width - crop.width,
            crop.y <= height - crop.height, window.x >= 0, window.y >= 0, window.width > 0, window.height > 0,
            window.x <= self.width - window.width, window.y <= self.height - window.height
        else {
            throw Failure(
                "a crop of \(crop.width) x \(crop.height) at (\(crop.x), \(crop.y)) does not fit into an image of "
                    + "\(width) x \(height)",
                hint: "crop inside the image")
        }
    }
}

/// A random crop: area uniform from `smallestArea` to 1 of the image's, ratio of width to height log-uniform in 3/4...4/3, position uniform, mirrored
/// with probability 1/2.
///
/// Up to ten draws are tried until one fits into the image; if none does, the central part with the nearest
/// allowed ratio is used. This is torchvision's `RandomResizedCrop(scale: (smallestArea, 1))` with `RandomHorizontalFlip`.
package enum RandomResizedCrop {
    /// That of masked autoencoders.
    package static let smallestArea = 0.2
    private static let ratio = 3.0 / 4...4.0 / 3

    /// How an image of `width` x `height` becomes one of `side` x `side`.
    package static func draw(
        width: Int, height: Int, side: Int, smallestArea: Double = smallestArea, using generator: inout KeyedGenerator
    ) -> Framing {
        let crop = crop(width: width, height: height, areas: smallestArea...1, using: &generator)
        return Framing(crop: crop, side: side, isFlipped: generator.uniform() < 0.5)
    }

    private static func crop(
        width: Int, height: Int, areas: ClosedRange<Double>, using generator: inout KeyedGenerator
    ) -> Crop {
        let logarithms = log(ratio.lowerBound)...log(ratio.upperBound)
        for _ in 0..<10 {
            let target = Double(width * height) * generator.uniform(in: areas)
            let drawn = exp(generator.uniform(in: logarithms))
            let cropWidth = Int((target * drawn).squareRoot().rounded(.toNearestOrEven))
            let cropHeight = Int((target / drawn).squareRoot().rounded(.toNearestOrEven))
            if (1...width).contains(cropWidth) && (1...height).contains(cropHeight) {
                return Crop(
                    x: generator.index(below: width - cropWidth + 1),
                    y: generator.index(below: height - cropHeight + 1), width: cropWidth, height: cropHeight)
            }
        }
        let present = Double(width) / Double(height)
        var cropWidth = width
        var cropHeight = height
        if present < ratio.lowerBound {
            cropHeight = Int((Double(width) / ratio.lowerBound).rounded(.toNearestOrEven))
        } else if present > ratio.upperBound {
            cropWidth = Int((Double(height) * ratio.upperBound).rounded(.toNearestOrEven))
        }
        return Crop(
            x: (width - cropWidth) / 2, y: (height - cropHeight) / 2, width: cropWidth, height: cropHeight)
    }
}
