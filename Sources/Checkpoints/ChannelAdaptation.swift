import CrateModel
import Images

// D channels of a token, V = C p p values of a patch of C channels.

/// Weights for images of other channels than those of training. For one channel the embedding's weights of all channels are summed, so
/// that a grey image gives the tokens that it gives as RGB. For others channel c takes the weights of channel c mod C, scaled so that
/// their sum is about the same.
///
/// What is not multiplied with pixels (the norm over a patch's values, the predictions) is averaged for one channel and repeated for others.
/// So where that norm comes first, in supervised CRATE and ToST, one channel is an approximation.
struct ChannelAdaptation {
    /// Channels of the weights (C).
    let from: Int
    /// Channels of the images to come (C').
    let to: Int

    var isNone: Bool { from == to }

    /// The normalisation of the new channels, from those they take their weights of.
    func normalisation(_ old: Normalisation) throws -> Normalisation {
        guard !isNone else { return old }
        return try Normalisation(mean: adapted(old.mean), deviation: adapted(old.deviation))
    }

    private func adapted(_ values: [Double]) -> [Double] {
        to == 1 ? [values.reduce(0, +) / Double(from)] : (0..<to).map { values[$0 % from] }
    }

    /// Writes the parameters of `new`, which differs from `old` in its channels only.
    func adapt(
        _ values: UnsafePointer<Float>, of old: Model, to result: UnsafeMutablePointer<Float>, of new: Model
    ) {
        let count = old.configuration.patchValueCount / from
        for (source, target) in zip(old.layout.parameters, new.layout.parameters) {
            let (input, output) = (values + source.offset, result + target.offset)
            guard source.shape != target.shape else {
                output.update(from: input, count: source.count)
                continue
            }
            if source.shape.count == 4 {
                // (D, C, p, p), multiplied with pixels.
                adapt(input, output, blocks: source.shape[0], pixels: count, runs: 1, isFactor: true, isPlanar: true)
            } else if source.shape.first == old.configuration.patchValueCount {
                // (V, D) or (V): predictions or their norm.
                let run = source.count / old.configuration.patchValueCount
                adapt(input, output, blocks: 1, pixels: count, runs: run, isFactor: false, isPlanar: false)
            } else {
                // (D, V), multiplied with pixels.
                adapt(input, output, blocks: source.shape[0], pixels: count, runs: 1, isFactor: true, isPlanar: false)
            }
        }
    }

    /// `blocks` of values of all `pixels` and channels, channel after channel if `isPlanar`, each value a run of `runs` numbers.
    private func adapt(
        _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, blocks: Int, pixels: Int, runs: Int,
        isFactor: Bool, isPlanar: Bool
    ) {
        func place(_ pixel: Int, _ channel: Int, of channels: Int) -> Int {
            runs * (isPlanar ? channel * pixels + pixel : pixel * channels + channel)
        }
        for block in 0..<blocks {
            let (old, new) = (input + block * pixels * from * runs, output + block * pixels * to * runs)
            for pixel in 0..<pixels {
                for channel in 0..<to {
                    for run in 0..<runs {
                        let value: Float
                        if to == 1 {
                            let sum = (0..<from).reduce(Float(0)) { $0 + old[place(pixel, $1, of: from) + run] }
                            value = isFactor ? sum : sum / Float(from)
                        } else {
                            let own = old[place(pixel, channel % from, of: from) + run]
                            value = isFactor ? own * Float(from) / Float(to) : own
                        }
                        new[place(pixel, channel, of: to) + run] = value
                    }
                }
            }
        }
    }
}
