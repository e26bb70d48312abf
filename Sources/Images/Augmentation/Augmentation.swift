import Base
import Foundation

/// Augmentation of labelled images, in addition to crop and flip.
package struct Augmentation: Codable, Equatable, Sendable {
    /// Number of `RandomOperations` per image.
    package var operations: Int
    /// Magnitude of the operations, 0 to `RandomOperations.largestMagnitude`.
    package var magnitude: Int
    /// Probability of erasing a rectangle.
    package var erasing: Double
    /// Mixup's alpha; 0 disables it.
    package var mixup: Double
    /// Cutmix's alpha; 0 disables it. With both, each image gets one of them with probability 1/2.
    package var cutmix: Double

    package init(operations: Int = 0, magnitude: Int = 0, erasing: Double = 0, mixup: Double = 0, cutmix: Double = 0) {
        self.operations = operations
        self.magnitude = magnitude
        self.erasing = erasing
        self.mixup = mixup
        self.cutmix = cutmix
    }

    package var mixes: Bool { mixup > 0 || cutmix > 0 }
}

/// How an image is mixed with another one: mixup adds them, cutmix pastes a rectangle.
///
/// Sources: Zhang et al., mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412); Yun et al., CutMix: Regularization
/// Strategy to Train Strong Classifiers with Localizable Features (arXiv 1905.04899).
package struct Mixing: Equatable, Sendable {
    /// The share of the image itself, in its pixels and in its targets.
    package let share: Double
    /// The pasted rectangle; nil for mixup.
    package let rectangle: Crop?

    /// Draws the mixing of an image of `side` x `side`: a share from Beta(a, a), and for cutmix a rectangle of 1 - share of the image with
    /// its centre anywhere; where it is clipped by the border, the share is larger than the one drawn.
    package static func draw(
        _ augmentation: Augmentation, side: Int, using generator: inout KeyedGenerator
    ) -> Mixing {
        let coin = generator.uniform() < 0.5
        let cuts = augmentation.cutmix > 0 && (augmentation.mixup == 0 || coin)
        let share = generator.beta(cuts ? augmentation.cutmix : augmentation.mixup)
        guard cuts else { return Mixing(share: share, rectangle: nil) }
        let extent = Int(Double(side) * (1 - share).squareRoot())
        func range() -> Range<Int> {
            let start = generator.index(below: side) - extent / 2
            return (start..<start + extent).clamped(to: 0..<side)
        }
        let (columns, rows) = (range(), range())
        return Mixing(
            share: 1 - Double(columns.count * rows.count) / Double(side * side),
            rectangle: Crop(x: columns.lowerBound, y: rows.lowerBound, width: columns.count, height: rows.count))
    }

    /// Mixes `other` into `image`, both (S, S, C).
    package func apply(
        _ other: UnsafePointer<Float>, to image: UnsafeMutablePointer<Float>, side: Int, channels: Int
    ) {
        guard let rectangle else {
            let (own, rest) = (Float(share), Float(1 - share))
            for i in 0..<channels * side * side { image[i] = own * image[i] + rest * other[i] }
            return
        }
        for row in rectangle.y..<rectangle.y + rectangle.height {
            let start = (row * side + rectangle.x) * channels
            (image + start).update(from: other + start, count: channels * rectangle.width)
        }
    }
}

extension KeyedGenerator {
    /// A draw from Beta(a, a), a > 0, by the method of Jöhnk.
    mutating func beta(_ a: Double) -> Double {
        while true {
            let (x, y) = (pow(uniform(), 1 / a), pow(uniform(), 1 / a))
            if x + y > 0 && x + y <= 1 { return x / (x + y) }
        }
    }
}

/// Random erasing: a rectangle of 2% to 33% of the image, with a ratio of sides from 0.3 to 3.3, gets one colour.
///
/// Source: Zhong et al., Random Erasing Data Augmentation (arXiv 1708.04896).
package enum RandomErasing {
    /// Erases, with `probability`, a rectangle of `image` (S, S, C) drawn from `generator`; `colour` has C values.
    package static func apply(
        to image: UnsafeMutablePointer<Float>, side: Int, probability: Double, colour: [Float],
        using generator: inout KeyedGenerator
    ) {
        guard generator.uniform() < probability else { return }
        for _ in 0..<10 {
            let area = Double(side * side) * generator.uniform(in: 0.02...1.0 / 3)
            let ratio = exp(generator.uniform(in: log(0.3)...log(1 / 0.3)))
            let (height, width) = (Int((area * ratio).squareRoot()), Int((area / ratio).squareRoot()))
            guard (1...side).contains(height), (1...side).contains(width) else { continue }
            let top = generator.index(below: side - height + 1)
            let left = generator.index(below: side - width + 1)
            for row in top..<top + height {
                for column in left..<left + width {
                    let pixel = image + (row * side + column) * colour.count
                    for channel in 0..<colour.count { pixel[channel] = colour[channel] }
                }
            }
            return
        }
    }
}

/// Normalisation of pixels: (x - mean) / deviation of each channel, in units of 0...1.
package struct Normalisation: Codable, Equatable, Sendable {
    /// Of each channel.
    package let mean: [Double]
    /// Of each channel.
    package let deviation: [Double]

    /// ImageNet's statistics, which published models are trained with.
    package static let imageNet = Normalisation(
        uncheckedMean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    /// Throws `Failure` unless there is a finite value of each for each channel, and the deviations are positive.
    package init(mean: [Double], deviation: [Double]) throws {
        guard (1...PixelFormat.maximumChannels).contains(mean.count), deviation.count == mean.count,
            mean.allSatisfy(\.isFinite),
            deviation.allSatisfy({ $0.isFinite && $0 >= 1e-4 })
        else {
            throw Failure(
                "a mean of \(mean) and a deviation of \(deviation) normalise no pixels",
                hint: "leave out images of one colour, or choose --normalise imagenet for RGB")
        }
        self.init(uncheckedMean: mean, deviation: deviation)
    }

    private init(uncheckedMean mean: [Double], deviation: [Double]) {
        self.mean = mean
        self.deviation = deviation
    }

    package var channels: Int { mean.count }
}
