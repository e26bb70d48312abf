import Foundation
import Shards

extension TrainingConfiguration {
    /// Warnings about settings that are valid but rarely intended, for a run on the shards of `index`.
    package func warnings(for index: ShardIndex) -> [String] {
        var texts: [String] = []
        if schedule.peak > 0, schedule.peak < 1e-5 {
            let rate = String(format: "%.1e", schedule.peak)
            texts.append(
                "a peak learning rate of \(rate) teaches hardly anything; for small batches give --lr, such as 1e-3")
        }
        if index.imageSize > 0, model.imageSize > index.imageSize {
            texts.append(
                "images of \(index.imageSize) pixels are enlarged to \(model.imageSize); with --image-size \(index.imageSize) "
                    + "a model takes them as they are, and is faster")
        }
        if batchSize > sampleCount {
            texts.append(
                "a step of \(batchSize) images takes \(sampleCount) samples more than once; lower --batch-size")
        }
        return texts
    }
}
