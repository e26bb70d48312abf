import Base
import CrateModel
import Images
import Kernels

// S side of the input, L patches, V values per patch, C channels.

/// How far a model's predictions of hidden patches are from an image, at each pixel.
package struct ErrorMap: Sendable {
    /// The image as the model sees it, all of its central square.
    package let original: Image
    /// (S, S).
    package let values: [Float]

    package init(original: Image, values: [Float]) { (self.original, self.values) = (original, values) }
}

extension LoadedModel {
    /// The error maps of `pictures`, whose own framing is replaced by the central square as a whole.
    ///
    /// A round hides every patch at least once: of a random order of the patches, each of its masks hides `maskRatio` of them (nil: as in
    /// training), from an evenly spaced place on. The value of a pixel is the mean over the times it was hidden, and over its channels,
    /// of (prediction - target)^2 as in training. Throws `Failure` for a classifier, if the ratio hides no patch or all, if the errors
    /// are not finite, or if memory is short.
    package borrowing func errorMaps(
        of pictures: [Picture], rounds: Int, maskRatio: Double? = nil, seed: UInt64 = 0
    ) throws -> [ErrorMap] {
        try requireAutoencoder()
        let configuration = model.configuration
        let grid = try inputGrid
        let visible = try grid.visiblePatches(maskRatio: maskRatio ?? stored.maskRatio)
        let masks = MaskRounds(
            patchCount: grid.patchCount, hidden: grid.patchCount - visible, rounds: rounds, seed: seed)
        let pictures = pictures.map { $0.framedAsSquare(side: grid.imageSize) }
        var errors = pictures.map { _ in SquaredErrors(grid, isStandardised: configuration.normalisesTargets) }
        let (total, capacity) = (pictures.count * masks.count, min(pictures.count * masks.count, replica.capacity))
        var framed = try FramedPictures(tiling, stored.normalisation, view, capacity: capacity)
        let hidden = try OwnedBuffer<UInt8>(count: capacity * grid.patchCount)
        for first in stride(from: 0, to: total, by: max(1, capacity)) {
            let batch = first..<min(total, first + capacity)
            for (slot, item) in batch.enumerated() {
                let (image, mask) = item.quotientAndRemainder(dividingBy: masks.count)
                try framed.place(pictures[image], at: slot)
                masks.draw(mask, key: pictures[image].key, into: hidden.pointer + slot * grid.patchCount)
            }
            replica.forward(PatchBatch(patches: framed.patches.pointer, mask: hidden.pointer, images: batch.count))
            guard case .predictions(let predictions) = replica.outputs else { return [] }
            for (slot, item) in batch.enumerated() {
                errors[item / masks.count].add(
                    patches: framed.patches.pointer + slot * grid.valueCount,
                    predictions: predictions + (slot * configuration.tokenCount + 1) * grid.valuesPerPatch,
                    mask: hidden.pointer + slot * grid.patchCount)
            }
        }
        return try zip(pictures, errors).map { picture, errors in
            let values = errors.means()
            try requireFinite("errors", values.allSatisfy(\.isFinite))
            return ErrorMap(original: try framed.image(of: picture), values: values)
        }
    }
}

extension Picture {
    /// With the central square as a whole, resized to `side` pixels.
    func framedAsSquare(side: Int) -> Picture {
        let framing = Framing.shortSide(ofWidth: image.width, height: image.height, to: side)
        return Picture(name: name, image: image, framing: framing, key: key)
    }
}

/// Masks that hide all patches equally often, or nearly.
package struct MaskRounds {
    private let patchCount: Int
    private let hidden: Int
    private let seed: UInt64
    private let masksPerRound: Int
    /// Masks of all rounds.
    package let count: Int

    /// `hidden` of `patchCount` patches are hidden at a time.
    package init(patchCount: Int, hidden: Int, rounds: Int, seed: UInt64) {
        (self.patchCount, self.hidden, self.seed) = (patchCount, hidden, seed)
        masksPerRound = (patchCount + hidden - 1) / hidden
        count = rounds * masksPerRound
    }

    /// Writes mask `number` of the image with this key: (L), 1 for hidden patches.
    package func draw(_ number: Int, key: Int, into mask: UnsafeMutablePointer<UInt8>) {
        let (round, part) = number.quotientAndRemainder(dividingBy: masksPerRound)
        var generator = KeyedGenerator(seed: seed, .evaluationMask, key, round)
        // Not the library's shuffle, whose order may change with its version.
        var order = Array(0..<patchCount)
        for place in (1..<patchCount).reversed() { order.swapAt(place, generator.index(below: place + 1)) }
        mask.update(repeating: 0, count: patchCount)
        let start = part * patchCount / masksPerRound
        for place in start..<start + hidden { mask[order[place % patchCount]] = 1 }
    }
}

/// Sums of squared errors of an image's pixels, by patches.
private struct SquaredErrors {
    private let grid: PatchGrid
    private let isStandardised: Bool
    /// (L, p p).
    private var sums: [Double]
    /// How often a patch was hidden, (L).
    private var times: [Int]

    init(_ grid: PatchGrid, isStandardised: Bool) {
        (self.grid, self.isStandardised) = (grid, isStandardised)
        sums = [Double](repeating: 0, count: grid.imageSize * grid.imageSize)
        times = [Int](repeating: 0, count: grid.patchCount)
    }

    /// `patches` and `predictions` are (L, V), `mask` is (L).
    mutating func add(
        patches: UnsafePointer<Float>, predictions: UnsafePointer<Float>, mask: UnsafePointer<UInt8>
    ) {
        let count = grid.valuesPerPatch
        let (pixels, channels) = (grid.patchSize * grid.patchSize, grid.pixel.channels)
        for patch in 0..<grid.patchCount where mask[patch] != 0 {
            let (target, predicted) = (patches + patch * count, predictions + patch * count)
            let (mean, scale) = isStandardised ? standardisation(target, count: count) : (0, 1)
            times[patch] += 1
            for pixel in 0..<pixels {
                var square: Float = 0
                for value in pixel * channels..<(pixel + 1) * channels {
                    let difference = predicted[value] - (target[value] - mean) * scale
                    square += difference * difference
                }
                sums[patch * pixels + pixel] += Double(square / Float(channels))
            }
        }
    }

    /// The mean of each pixel over the times it was hidden, (S, S).
    func means() -> [Float] {
        let (side, size, perSide) = (grid.imageSize, grid.patchSize, grid.patchesPerSide)
        return (0..<side * side).map { index in
            let (row, column) = index.quotientAndRemainder(dividingBy: side)
            let patch = row / size * perSide + column / size
            let inPatch = row % size * size + column % size
            return Float(sums[patch * size * size + inPatch] / Double(times[patch]))
        }
    }
}
