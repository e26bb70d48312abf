import Base
import CrateModel
import Images
import Kernels

// N images, L patches, V = C p p values per patch.

package struct Reconstruction: Sendable {
    /// The framed image, as the model sees it.
    package let original: Image
    /// With the hidden patches in grey.
    package let masked: Image
    /// With the predictions for the hidden patches.
    package let completed: Image
    /// The mean over the hidden patches of (prediction - target)^2 as in training.
    package let loss: Double
    /// The mean over the values of the hidden patches of (predicted - original)^2, for pixels from 0 to 1 before
    /// clamping.
    package let meanSquaredError: Double

    /// Original, masked and completed, with a white column of `gap` pixels between them.
    package func sideBySide(gap: Int = 2) throws -> Image {
        try Image(rows: [[original, masked, completed]], gap: gap)
    }
}

extension LoadedModel {
    /// The reconstructions of `pictures`, as many at a time as the replica takes.
    ///
    /// `maskRatio` of the patches (nil: as in training) are hidden, drawn from (`seed`, key of the picture); evaluation
    /// uses seed 0. A prediction of a standardised patch becomes prediction / scale + mean, with mean and scale of the
    /// patch itself (`standardisation`). Throws `Failure` for a classifier, if the ratio hides no patch or all, or if
    /// memory is short.
    package borrowing func reconstruct(
        _ pictures: [Picture], maskRatio: Double? = nil, seed: UInt64 = 0
    ) throws -> [Reconstruction] {
        try requireAutoencoder()
        let configuration = model.configuration
        let grid = try inputGrid
        let visible = try grid.visiblePatches(maskRatio: maskRatio ?? stored.maskRatio)
        let mask = try OwnedBuffer<UInt8>(count: min(pictures.count, replica.capacity) * grid.patchCount)
        let paint = try Paint(
            grid: grid, view: view, normalisation: stored.normalisation, isStandardised: configuration.normalisesTargets
        )
        var results: [Reconstruction] = []
        try forEachBatch(of: pictures) { framed, pictures in
            for (index, picture) in pictures.enumerated() {
                var generator = KeyedGenerator(seed: seed, .evaluationMask, picture.key)
                drawMask(
                    patchCount: grid.patchCount, visible: visible, using: &generator,
                    into: mask.pointer + index * grid.patchCount)
            }
            let batch = PatchBatch(patches: framed.patches.pointer, mask: mask.pointer, images: pictures.count)
            replica.forward(batch)
            replica.loss(batch)
            guard case .predictions(let predictions) = replica.outputs else { return }
            for index in pictures.indices {
                let result = try paint.reconstruction(
                    patches: batch.patches + index * grid.valueCount,
                    predictions: predictions + (index * configuration.tokenCount + 1) * grid.valuesPerPatch,
                    mask: mask.pointer + index * grid.patchCount, loss: replica.imageLosses[index])
                try requireFinite("reconstructions", result.loss.isFinite && result.meanSquaredError.isFinite)
                results.append(result)
            }
        }
        return results
    }
}

private struct Paint {
    private static let grey: UInt8 = 128
    private let grid: PatchGrid
    /// That of the pictures, which are RGB.
    private let shown: PatchGrid
    private let view: BandView
    private let means, deviations: [Float]
    private let isStandardised: Bool

    init(grid: PatchGrid, view: BandView, normalisation: Normalisation, isStandardised: Bool) throws {
        self.grid = grid
        shown = try PatchGrid(imageSize: grid.imageSize, patchSize: grid.patchSize)
        self.view = view
        means = normalisation.mean.map(Float.init)
        deviations = normalisation.deviation.map(Float.init)
        self.isStandardised = isStandardised
    }

    /// `patches` and `predictions` are (L, V), `mask` is (L), `loss` is the sum over the hidden patches.
    func reconstruction(
        patches: UnsafePointer<Float>, predictions: UnsafePointer<Float>, mask: UnsafePointer<UInt8>, loss: Double
    ) throws -> Reconstruction {
        let (count, channels) = (grid.valuesPerPatch, grid.pixel.channels)
        var original = [UInt8](repeating: 0, count: shown.valueCount)
        var masked = original
        var completed = original
        var (hidden, squares) = (0, 0.0)
        for patch in 0..<grid.patchCount {
            let isHidden = mask[patch] != 0
            hidden += isHidden ? 1 : 0
            let target = patches + patch * count
            let (mean, scale) = isHidden && isStandardised ? standardisation(target, count: count) : (0, 1)
            func truth(_ value: Int, _ channel: Int) -> Float { pixel(patches[value], channel: channel) }
            func predicted(_ value: Int, _ channel: Int) -> Float {
                isHidden ? pixel(predictions[value] / scale + mean, channel: channel) : truth(value, channel)
            }
            for value in patch * count..<(patch + 1) * count {
                let error = predicted(value, value % channels) - truth(value, value % channels)
                squares += Double(error * error)
            }
            for place in patch * shown.valuesPerPatch..<(patch + 1) * shown.valuesPerPatch {
                let (pixel, colour) = (place / 3, place % 3)
                let value = pixel * channels + view.bands[colour]
                original[place] = view.level(truth(value, view.bands[colour]), colour: colour)
                masked[place] = isHidden ? Self.grey : original[place]
                completed[place] = view.level(predicted(value, view.bands[colour]), colour: colour)
            }
        }
        return Reconstruction(
            original: try image(original), masked: try image(masked), completed: try image(completed),
            loss: loss / Double(hidden), meanSquaredError: squares / Double(hidden * count))
    }

    /// From 0 to 1.
    private func pixel(_ value: Float, channel: Int) -> Float { value * deviations[channel] + means[channel] }

    private func image(_ patches: [UInt8]) throws -> Image {
        var pixels = patches
        shown.unpatchify(patches, into: &pixels)
        return try Image(width: grid.imageSize, height: grid.imageSize, pixels: pixels)
    }
}
