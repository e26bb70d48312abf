import Base
import Foundation
import Kernels
import Optimizers
import Testing

@Suite struct ReconstructionLossTests {
    @Test(arguments: [12, 16, 27, 48], [false, true])
    func lossAndGradientMatchTheNaiveVersion(valueCount: Int, normalises: Bool) throws {
        let (images, patches) = (2, 5)
        let predictions = Values(images * (patches + 1) * valueCount, key: 1)
        let targets = Values(images * patches * valueCount, key: 2, scale: 0.5, mean: 0.7)
        let mask: [UInt8] = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1]
        let prediction = try buffer(predictions.floats)
        var losses = [Double](repeating: 0, count: images)
        reconstructionLoss(
            prediction: prediction.pointer, patches: targets.floats, mask: mask, images: images, patchCount: patches,
            valueCount: valueCount, normalisesTargets: normalises, gradientScale: 0.25, imageLosses: &losses)

        func naive(_ image: Int, _ values: [Double]) -> Double {
            let start = (image * (patches + 1) + 1) * valueCount
            return Naive.loss(
                Grid(patches, valueCount, Array(values[start..<start + patches * valueCount])),
                Grid(patches, valueCount) { targets.doubles[(image * patches + $0) * valueCount + $1] },
                hidden: mask[image * patches..<(image + 1) * patches].map { $0 == 1 }, normalises: normalises)
        }
        #expect(relativeError(losses, [naive(0, predictions.doubles), naive(1, predictions.doubles)]) < 1e-6)
        let expected = Naive.gradient(predictions.doubles) { 0.25 * (naive(0, $0) + naive(1, $0)) }
        #expect(relativeError(copy(prediction), expected) < 1e-6)
        #expect(copy(prediction).filter { $0 == 0 }.count == 6 * valueCount, "class tokens and visible patches")
    }

    @Test func withoutAGradientScaleThePredictionsAreUnchanged() throws {
        let predictions = Values(2 * 12, key: 3)
        let prediction = try buffer(predictions.floats)
        var loss = 0.0
        reconstructionLoss(
            prediction: prediction.pointer, patches: Values(12, key: 4).floats, mask: [1], images: 1, patchCount: 1,
            valueCount: 12, normalisesTargets: true, gradientScale: nil, imageLosses: &loss)
        #expect(loss > 0)
        #expect(copy(prediction) == predictions.doubles)
    }
}

@Suite struct AdamWTests {
    @Test(arguments: [5, 16, 37], [true, false])
    func stepsMatchTheFormula(count: Int, decays: Bool) throws {
        let rule = AdamW(weightDecay: 0.05)
        let start = Values(count, key: 1)
        let parameters = try buffer(start.floats)
        let first = try OwnedBuffer<Float>(count: count)
        let second = try OwnedBuffer<Float>(count: count)
        var p = start.doubles
        var (m, v) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
        for step in 1...5 {
            let gradients = Values(count, key: 10 + step)
            rule.update(
                parameters.pointer, gradients: gradients.floats, firstMoments: first.pointer,
                secondMoments: second.pointer, count: count, step: step, rate: 0.01, gradientScale: 0.5,
                decays: decays)
            for i in 0..<count {
                let g = 0.5 * gradients.doubles[i]
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.95 * v[i] + 0.05 * g * g
                if decays { p[i] *= 1 - 0.01 * 0.05 }
                let (mHat, vHat) = (m[i] / (1 - pow(0.9, Double(step))), v[i] / (1 - pow(0.95, Double(step))))
                p[i] -= 0.01 * mHat / (vHat.squareRoot() + 1e-8)
            }
        }
        #expect(relativeError(copy(parameters), p) < 1e-6)
        #expect(relativeError(copy(first), m) < 1e-6)
        #expect(relativeError(copy(second), v) < 1e-6)
    }
}

@Suite struct LionTests {
    @Test(arguments: [5, 16, 37], [true, false])
    func stepsMatchTheFormula(count: Int, decays: Bool) throws {
        let rule = Lion(weightDecay: 0.5)
        let start = Values(count, key: 1)
        let parameters = try buffer(start.floats)
        let moments = try OwnedBuffer<Float>(count: count)
        var (p, m) = (start.doubles, [Double](repeating: 0, count: count))
        for step in 1...5 {
            var gradients = Values(count, key: 20 + step).floats
            if step == 1 { gradients[2] = 0 }
            rule.update(
                parameters.pointer, gradients: gradients, moments: moments.pointer, count: count, rate: 0.01,
                gradientScale: 0.5, decays: decays)
            for i in 0..<count {
                let g = 0.5 * Double(gradients[i])
                let direction = 0.9 * m[i] + 0.1 * g
                if decays { p[i] *= 1 - 0.01 * 0.5 }
                p[i] -= direction == 0 ? 0 : direction > 0 ? 0.01 : -0.01
                m[i] = 0.99 * m[i] + 0.01 * g
            }
        }
        #expect(relativeError(copy(parameters), p) < 1e-6)
        #expect(relativeError(copy(moments), m) < 1e-6)
    }
}
