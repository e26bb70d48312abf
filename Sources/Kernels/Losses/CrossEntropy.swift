import Foundation

// N images, K classes.

/// The cross entropy of what is said of images and what should be, and its gradient. Per image n, with
/// p = softmax(logits[n]) and t = targets[n], whose sum is s:
///
///     imageLosses[n] = - sum over k of t_k log p_k
///     logits[n] becomes (s p - t) gradientScale
///
/// With `gradientScale` nil the logits are left alone. In Double, since K values an image are nothing beside a pass.
///
/// `logits` is (N, K), `targets`, (N, K), the probability that each class should have, nil for zero everywhere; `imageLosses`, (N),
/// is overwritten.
package func crossEntropyLoss(
    logits: UnsafeMutablePointer<Float>, targets: UnsafePointer<Float>?, images: Int, classes: Int,
    gradientScale: Float?, imageLosses: UnsafeMutablePointer<Double>
) {
    for image in 0..<images {
        let said = logits + image &* classes
        func wanted(_ k: Int) -> Double { targets.map { Double($0[image &* classes &+ k]) } ?? 0 }
        var largest = said[0]
        for k in 1..<classes where said[k] > largest { largest = said[k] }
        var sum = 0.0
        for k in 0..<classes { sum += exp(Double(said[k]) - Double(largest)) }
        let shift = Double(largest) + log(sum)
        var (loss, targetSum) = (0.0, 0.0)
        for k in 0..<classes {
            loss -= wanted(k) * (Double(said[k]) - shift)
            targetSum += wanted(k)
        }
        imageLosses[image] = loss
        guard let gradientScale else { continue }
        for k in 0..<classes {
            let probability = exp(Double(said[k]) - shift)
            said[k] = Float((targetSum * probability - wanted(k)) * Double(gradientScale))
        }
    }
}

/// How many classes are said to be likelier than `label`: 0 where it comes first. Of equal ones the lower number comes
/// first, and what is not a number comes before the label.
package func rank(of label: Int, in logits: UnsafePointer<Float>, classes: Int) -> Int {
    (0..<classes).count { k in
        k != label && (!(logits[k] <= logits[label]) || logits[k] == logits[label] && k < label)
    }
}
