import Base
import Checkpoints
import Collectives
import CrateModel
import Foundation
import Kernels

package struct AnalysisRequest: Sendable {
    package var data: String
    package var images: Int
    /// The fraction of patches to hide; nil takes that of training.
    package var maskRatio: Double?
    package var precision: Precision
    package var threads: Int

    package init(data: String, images: Int, maskRatio: Double?, precision: Precision, threads: Int) {
        self.data = data
        self.images = images
        self.maskRatio = maskRatio
        self.precision = precision
        self.threads = threads
    }
}

/// The metrics of all layers of the checkpoint at `path` (see `CheckpointStore.modelFile`). Corrupt checkpoints that
/// were skipped are passed to `report` on rank 0.
///
/// Collective: all ranks return the metrics, or all throw.
package func analyseCheckpoint(
    _ path: String, _ request: AnalysisRequest, world: World, report: (Failure) -> Void
) throws -> LayerMeasurement {
    let loaded = try LoadedModel(path, images: 1, precision: request.precision, threads: request.threads, world: world)
    for warning in loaded.warnings where world.rank == 0 { report(warning) }
    let maskRatio = loaded.model.classifier != nil ? nil : request.maskRatio ?? loaded.stored.maskRatio
    let loader = try loaded.loader(of: request.data, maskRatio: maskRatio, world: world)
    let meter = try world.agree { try LayerMeter(loaded.model, images: 1, threads: request.threads) }
    var measurement = try measureLayers(
        loaded.replica, loader: loader, images: request.images, meter: meter, world: world)
    measurement.file = loaded.file
    let directory = (loaded.file as NSString).deletingLastPathComponent
    measurement.step = CheckpointStore.step(of: directory)
    return measurement
}
