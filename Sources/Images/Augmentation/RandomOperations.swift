import Base
import Foundation

// An image here is square, (S, S, 3) floats in 0...255.

/// RandAugment: operations drawn from a fixed list, each with the same strength. Its list and strengths are torchvision's.
///
/// Source: Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space (arXiv 1909.13719).
package struct RandomOperations: ~Copyable {
    package static let largestMagnitude = 30
    private let side: Int
    private let copy: OwnedBuffer<Float>

    package enum Operation: Int, CaseIterable, Sendable {
        /// Geometric operations, and none; pixels from outside of the image are grey.
        case identity, shearX, shearY, translateX, translateY, rotate
        /// Operations on values.
        case brightness, colour, contrast, sharpness, posterise, solarise, stretch, equalise
    }

    /// Throws `Failure` if memory is short.
    package init(side: Int) throws {
        self.side = side
        copy = try OwnedBuffer<Float>(count: 3 * side * side)
    }

    /// Applies `count` operations drawn from `generator` to `image`. With m = magnitude / 30: shear 0.3 m, translation
    /// 0.45 m of the side, rotation by 30 m degrees, blends with 1 +- 0.9 m, 8 - 4 m bits kept, inverted above 255 (1 - m).
    package func apply(
        to image: UnsafeMutablePointer<Float>, count: Int, magnitude: Int, using generator: inout KeyedGenerator
    ) {
        let strength = Float(magnitude) / Float(Self.largestMagnitude)
        for _ in 0..<count {
            let operation = Operation.allCases[generator.index(below: Operation.allCases.count)]
            let sign: Float = generator.uniform() < 0.5 ? -1 : 1
            apply(operation, strength, sign: sign, to: image)
        }
    }

    /// Applies `operation` with m = `strength` and the direction `sign`, if it has one.
    package func apply(_ operation: Operation, _ strength: Float, sign: Float, to image: UnsafeMutablePointer<Float>) {
        let (shear, shift, blend) = (
            0.3 * sign * strength, 0.45 * sign * strength * Float(side), 1 + 0.9 * sign * strength
        )
        switch operation {
        case .identity: break
        case .shearX: move(image, x: (1, shear, 0), y: (0, 1, 0))
        case .shearY: move(image, x: (1, 0, 0), y: (shear, 1, 0))
        case .translateX: move(image, x: (1, 0, shift), y: (0, 1, 0))
        case .translateY: move(image, x: (1, 0, 0), y: (0, 1, shift))
        case .rotate:
            let angle = sign * strength * .pi / 6
            move(image, x: (cos(angle), sin(angle), 0), y: (-sin(angle), cos(angle), 0))
        case .brightness: self.blend(image, by: blend) { _ in 0 }
        case .colour: self.blend(image, by: blend) { grey(image, $0 / 3) }
        case .contrast:
            let mean = (0..<side * side).reduce(Float(0)) { $0 + grey(image, $1) } / Float(side * side)
            self.blend(image, by: blend) { _ in mean }
        case .sharpness:
            copy.pointer.update(from: image, count: copy.count)
            self.blend(image, by: blend) { smoothed($0) }
        case .posterise:
            let level = exp2((4 * strength).rounded())
            mapValues(image) { ($0 / level).rounded(.down) * level }
        case .solarise: mapValues(image) { $0 > 255 * (1 - strength) ? 255 - $0 : $0 }
        case .stretch: stretch(image)
        case .equalise: equalise(image)
        }
    }

    /// Pixel (u, v), both from the centre, becomes that at (x, y) = (x.0 u + x.1 v + x.2, y.0 u + y.1 v + y.2) of the old
    /// image, between pixels by bilinear interpolation, and grey outside of it.
    private func move(_ image: UnsafeMutablePointer<Float>, x: (Float, Float, Float), y: (Float, Float, Float)) {
        copy.pointer.update(from: image, count: copy.count)
        let centre = Float(side - 1) / 2
        for row in 0..<side {
            for column in 0..<side {
                let (u, v) = (Float(column) - centre, Float(row) - centre)
                let (sourceX, sourceY) = (x.0 * u + x.1 * v + x.2 + centre, y.0 * u + y.1 * v + y.2 + centre)
                let (left, top) = (sourceX.rounded(.down), sourceY.rounded(.down))
                let (right, below) = (sourceX - left, sourceY - top)
                for channel in 0..<3 {
                    func old(_ x: Float, _ y: Float) -> Float {
                        guard x >= 0, y >= 0, x < Float(side), y < Float(side) else { return 128 }
                        return copy.pointer[(Int(y) * side + Int(x)) * 3 + channel]
                    }
                    let upper = old(left, top) * (1 - right) + old(left + 1, top) * right
                    let lower = old(left, top + 1) * (1 - right) + old(left + 1, top + 1) * right
                    image[(row * side + column) * 3 + channel] = upper * (1 - below) + lower * below
                }
            }
        }
    }

    /// x = base + factor (x - base), clamped. `base` is asked with the value's place, pixel after pixel.
    @inline(__always)
    private func blend(_ image: UnsafeMutablePointer<Float>, by factor: Float, base: (Int) -> Float) {
        for pixel in 0..<side * side {
            // All three before the first is changed, since a base may depend on the whole pixel.
            let place = 3 * pixel
            let bases = SIMD3(base(place), base(place + 1), base(place + 2))
            for channel in 0..<3 {
                let value = bases[channel] + factor * (image[place + channel] - bases[channel])
                image[place + channel] = min(255, max(0, value))
            }
        }
    }

    @inline(__always)
    private func mapValues(_ image: UnsafeMutablePointer<Float>, _ body: (Float) -> Float) {
        for i in 0..<copy.count { image[i] = body(image[i]) }
    }

    private func grey(_ image: UnsafePointer<Float>, _ pixel: Int) -> Float {
        0.299 * image[3 * pixel] + 0.587 * image[3 * pixel + 1] + 0.114 * image[3 * pixel + 2]
    }

    /// The mean of a value of the copy and its neighbours, its own weight 5 of 13; at the border the value itself.
    private func smoothed(_ place: Int) -> Float {
        let (row, column) = (place / 3 / side, place / 3 % side)
        guard row > 0, column > 0, row < side - 1, column < side - 1 else { return copy.pointer[place] }
        var sum = 4 * copy.pointer[place]
        for y in -1...1 {
            for x in -1...1 { sum += copy.pointer[place + (y * side + x) * 3] }
        }
        return sum / 13
    }

    /// Each channel's smallest value becomes 0, and its largest 255.
    private func stretch(_ image: UnsafeMutablePointer<Float>) {
        for channel in 0..<3 {
            var (low, high): (Float, Float) = (255, 0)
            for pixel in 0..<side * side {
                low = min(low, image[3 * pixel + channel])
                high = max(high, image[3 * pixel + channel])
            }
            guard high > low else { continue }
            for pixel in 0..<side * side {
                image[3 * pixel + channel] = (image[3 * pixel + channel] - low) * 255 / (high - low)
            }
        }
    }

    /// Each channel's values become their share of the values below them, in 256 levels.
    private func equalise(_ image: UnsafeMutablePointer<Float>) {
        for channel in 0..<3 {
            var counts = [256 of Int](repeating: 0)
            func level(_ pixel: Int) -> Int { min(255, max(0, Int(image[3 * pixel + channel].rounded()))) }
            for pixel in 0..<side * side { counts[level(pixel)] += 1 }
            let highest = (0..<256).last { counts[$0] > 0 } ?? 0
            let step = (side * side - counts[highest]) / 255
            guard step > 0 else { continue }
            var (below, mapped) = (step / 2, [256 of Float](repeating: 0))
            for value in 0..<256 {
                mapped[value] = Float(min(255, below / step))
                below += counts[value]
            }
            for pixel in 0..<side * side { image[3 * pixel + channel] = mapped[level(pixel)] }
        }
    }
}
