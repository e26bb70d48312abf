import Foundation

// N images, K classes.

/// Cross-entropy loss and its gradient. For each image n, with p = softmax(logits[n]), t = targets[n] and s = sum of t:
///
///     imageLosses[n] = - sum over k of t_k log p_k
///     logits[n] becomes (s p - t) gradientScale
///
/// If `gradientScale` is nil, the logits are not changed. Computed in Double, because K values per image cost little.
///
/// `logits` is (N, K). `targets` (N, K) are probabilities; nil means all zeros. `imageLosses` (N) is overwritten.
package func crossEntropyLoss(
    logits: UnsafeMutablePointer<Float>, targets: UnsafePointer<Float>?, images: Int, classes: Int,
    gradientScale: Float?, imageLosses: UnsafeMutablePointer<Double>
) {
    for image in 0..<images {
        let row = logits + image &* classes
        func target(_ k: Int) -> Double { targets.map { Double($0[image &* classes &+ k]) } ?? 0 }
        var largest = row[0]
        for k in 1..<classes where row[k] > largest { largest = row[k] }
        var sum = 0.0
        for k in 0..<classes { sum += exp(Double(row[k]) - Double(largest)) }
        let shift = Double(largest) + log(sum)
        var (loss, targetSum) = (0.0, 0.0)
        for k in 0..<classes {
            loss -= target(k) * (Double(row[k]) - shift)
            targetSum += target(k)
        }
        imageLosses[image] = loss
        guard let gradientScale else { continue }
        for k in 0..<classes {
            let probability = exp(Double(row[k]) - shift)
            row[k] = Float((targetSum * probability - target(k)) * Double(gradientScale))
        }
    }
}

/// The number of classes that rank above `label`; 0 if it ranks first. In a tie the lower class index ranks first. NaN
/// ranks above `label`, and a label whose own logit is NaN ranks last.
package func rank(of label: Int, in logits: UnsafePointer<Float>, classes: Int) -> Int {
    (0..<classes).count { k in
        k != label && (!(logits[k] <= logits[label]) || logits[k] == logits[label] && k < label)
    }
}
