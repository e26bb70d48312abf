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

    package init(crop: Crop, side: Int, isFlipped: Bool = false) {
        self.init(
            crop: crop, width: side, height: side, window: Crop(x: 0, y: 0, width: side, height: side),
            isFlipped: isFlipped)
    }

    private init(crop: Crop, width: Int, height: Int, window: Crop, isFlipped: Bool) {
        self.crop = crop
        self.width = width
        self.height = height
        self.window = window
        self.isFlipped = isFlipped
    }

    /// An image of `width` x `height` resized so that its shorter side is `size` and its longer side
    /// floor(size * longer / shorter), of which the central square is kept: torchvision's `Resize(size)` followed
    /// by `CenterCrop(size)`.
    package static func shortSide(ofWidth width: Int, height: Int, to size: Int) -> Framing {
        shortSide(ofWidth: width, height: height, to: size, keeping: size)
    }

    private static func shortSide(ofWidth width: Int, height: Int, to size: Int, keeping kept: Int) -> Framing {
        let shorter = min(width, height)
        let resizedWidth = size * width / shorter
        let resizedHeight = size * height / shorter
        return Framing(
            crop: Crop(x: 0, y: 0, width: width, height: height), width: resizedWidth, height: resizedHeight,
            window: .central(side: kept, ofWidth: resizedWidth, height: resizedHeight), isFlipped: false)
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
