import Base

/// Normalisation of pixels: (x - mean) / deviation of each channel, in units of 0...1.
package struct Normalisation: Codable, Equatable, Sendable {
    /// Of red, green and blue.
    package let mean: [Double]
    /// Of red, green and blue.
    package let deviation: [Double]

    /// ImageNet's statistics, which published models are trained with.
    package static let imageNet = Normalisation(
        uncheckedMean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    /// Throws `Failure` unless there are three finite values each and the deviations are positive.
    package init(mean: [Double], deviation: [Double]) throws {
        guard mean.count == 3, deviation.count == 3, mean.allSatisfy(\.isFinite),
            deviation.allSatisfy({ $0.isFinite && $0 >= 1e-4 })
        else {
            throw Failure(
                "a mean of \(mean) and a deviation of \(deviation) normalise no pixels",
                hint: "choose --normalise imagenet")
        }
        self.init(uncheckedMean: mean, deviation: deviation)
    }

    private init(uncheckedMean mean: [Double], deviation: [Double]) {
        self.mean = mean
        self.deviation = deviation
    }

    package var means: SIMD3<Float> { SIMD3(Float(mean[0]), Float(mean[1]), Float(mean[2])) }
    package var deviations: SIMD3<Float> { SIMD3(Float(deviation[0]), Float(deviation[1]), Float(deviation[2])) }
}
