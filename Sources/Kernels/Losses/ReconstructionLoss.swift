// N images, L patches, T = L + 1 tokens, V = p p 3 values per patch.

/// The mean squared error of the hidden patches, and its gradient.
///
/// For each hidden patch l of image n, the target t is the patch, or with `normalisesTargets`
/// t = (patch - mean) / sqrt(unbiased variance + 1e-6):
///
///     imageLosses[n] = sum over hidden l of mean over values of (prediction - t)^2
///     prediction[n, l] becomes 2 (prediction - t) / V * gradientScale; visible patches and the class token become 0
///
/// If `gradientScale` is nil, the predictions are not changed. The total loss is the sum of `imageLosses` divided by
/// the number of hidden patches in the whole batch, and `gradientScale` is one over that number.
///
/// `prediction` is (N, T, V) with the class token's row first, `patches` is (N, L, V), and `mask` is (N, L), 1 for
/// hidden patches; nil means that no patch is hidden. `imageLosses` (N) is overwritten.
package func reconstructionLoss(
    prediction: UnsafeMutablePointer<Float>, patches: UnsafePointer<Float>, mask: UnsafePointer<UInt8>?,
    images: Int, patchCount: Int, valueCount: Int, normalisesTargets: Bool, gradientScale: Float?,
    imageLosses: UnsafeMutablePointer<Double>
) {
    for image in 0..<images {
        let predictedImage = prediction + image &* (patchCount &+ 1) &* valueCount
        if gradientScale != nil { predictedImage.update(repeating: 0, count: valueCount) }
        var total = 0.0
        for patch in 0..<patchCount {
            let predicted = predictedImage + (patch &+ 1) &* valueCount
            if mask.map({ $0[image &* patchCount &+ patch] == 0 }) ?? true {
                if gradientScale != nil { predicted.update(repeating: 0, count: valueCount) }
                continue
            }
            let target = patches + (image &* patchCount &+ patch) &* valueCount
            let (mean, scale) = normalisesTargets ? standardisation(target, count: valueCount) : (0, 1)
            total += squaredError(
                predicted, target, mean: mean, scale: scale, count: valueCount, gradientScale: gradientScale)
        }
        imageLosses[image] = total
    }
}

/// The mean and 1 / sqrt(unbiased variance + 1e-6) of one patch.
package func standardisation(_ values: UnsafePointer<Float>, count: Int) -> (mean: Float, scale: Float) {
    var total = 0.0
    for i in 0..<count { total += Double(values[i]) }
    let mean = total / Double(count)
    var squares = 0.0
    for i in 0..<count {
        let centred = Double(values[i]) - mean
        squares += centred * centred
    }
    return (Float(mean), Float(1 / (squares / Double(count - 1) + 1e-6).squareRoot()))
}

/// The mean of (prediction - (target - mean) scale)^2. With a `gradientScale`, prediction is replaced by the gradient.
private func squaredError(
    _ prediction: UnsafeMutablePointer<Float>, _ target: UnsafePointer<Float>, mean: Float, scale: Float,
    count: Int, gradientScale: Float?
) -> Double {
    let factor = 2 / Float(count) * (gradientScale ?? 0)
    var squares = Vector.zero
    for (i, lanes) in Vectors(count) {
        var difference = load(prediction + i, lanes) - (load(target + i, lanes) - mean) * scale
        if lanes < 16 { clear(&difference, from: lanes) }
        squares += difference * difference
        if gradientScale != nil { store(difference * factor, prediction + i, lanes) }
    }
    return doubleSum(squares) / Double(count)
}
