import Base
import Foundation

/// A random crop: area uniform in 0.2...1 of the image's, ratio of width to height log-uniform in 3/4...4/3, position uniform, mirrored
/// with probability 1/2.
///
/// Up to ten draws are tried until one fits into the image; if none does, the central part with the nearest
/// allowed ratio is used. This is torchvision's `RandomResizedCrop(scale: (0.2, 1))` with `RandomHorizontalFlip`.
package enum RandomResizedCrop {
    private static let area = 0.2...1.0
    private static let ratio = 3.0 / 4...4.0 / 3

    /// How an image of `width` x `height` becomes one of `side` x `side`.
    package static func draw(width: Int, height: Int, side: Int, using generator: inout KeyedGenerator) -> Framing {
        let crop = crop(width: width, height: height, using: &generator)
        return Framing(crop: crop, side: side, isFlipped: generator.uniform() < 0.5)
    }

    private static func crop(width: Int, height: Int, using generator: inout KeyedGenerator) -> Crop {
        let logarithms = log(ratio.lowerBound)...log(ratio.upperBound)
        for _ in 0..<10 {
            let target = Double(width * height) * generator.uniform(in: area)
            let drawn = exp(generator.uniform(in: logarithms))
            let cropWidth = Int((target * drawn).squareRoot().rounded(.toNearestOrEven))
            let cropHeight = Int((target / drawn).squareRoot().rounded(.toNearestOrEven))
            if (1...width).contains(cropWidth) && (1...height).contains(cropHeight) {
                return Crop(
                    x: generator.index(below: width - cropWidth + 1),
                    y: generator.index(below: height - cropHeight + 1), width: cropWidth, height: cropHeight)
            }
        }
        return fallback(width: width, height: height)
    }

    private static func fallback(width: Int, height: Int) -> Crop {
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
