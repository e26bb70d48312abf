import Base
import Foundation

/// Random erasing: a rectangle of 2% to 33% of the image, with a ratio of sides from 0.3 to 3.3, gets one colour.
///
/// Source: Zhong et al., Random Erasing Data Augmentation (arXiv 1708.04896).
package enum RandomErasing {
    /// Erases, with `probability`, a rectangle of `image` (S, S, 3) drawn from `generator`.
    package static func apply(
        to image: UnsafeMutablePointer<Float>, side: Int, probability: Double, colour: SIMD3<Float>,
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
                    for channel in 0..<3 { image[(row * side + column) * 3 + channel] = colour[channel] }
                }
            }
            return
        }
    }
}
