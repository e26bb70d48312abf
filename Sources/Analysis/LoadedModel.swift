import Base
import Checkpoints
import Collectives
import CrateModel
import Kernels
import Loader
import Shards

/// A checkpoint's model, ready for forward passes.
package struct LoadedModel: ~Copyable {
    /// The model with its parameters and the memory of a pass.
    package let replica: Replica
    /// What the file says of the model.
    package let stored: StoredModel
    /// How images are cut into patches.
    package let tiling: PatchTiling
    /// The file that was read.
    package let file: String
    /// Damaged checkpoints that were passed over. Rank 0's alone.
    package let warnings: [Failure]

    /// Loads what `path` means (see `CheckpointStore.modelFile`) on every rank, for up to `images` images at a time (nil:
    /// `Replica.usefulImages`), of side `imageSize` (nil: as trained) with patches `stride` pixels apart (nil: side by side); see
    /// `Model.loadParameters` for the positions where that makes another grid of patches.
    ///
    /// Collective: all ranks have the model, or all throw.
    package init(
        _ path: String, images: Int? = nil, imageSize: Int? = nil, stride: Int? = nil, precision: Precision,
        threads: Int,
        world: World
    ) throws {
        var warnings: [Failure] = []
        // Rank 0 alone decides which checkpoint is the newest: one may be written meanwhile.
        let chosen = try world.agree {
            world.rank == 0 ? try CheckpointStore.modelFile(at: path) { warnings.append($0) } : ""
        }
        let file = String(decoding: world.broadcast([UInt8](chosen.utf8), from: 0), as: UTF8.self)
        let stored = try world.agree { try CheckpointStore.description(ofModelFile: file) }
        let tiling = try world.agree {
            let trained = stored.model.configuration
            return try PatchTiling(
                imageSize: imageSize ?? trained.imageSize, patchSize: trained.patchSize, stride: stride)
        }
        // A model knows the grid of its patches only by the side of an image, in which they lie side by side.
        let model = try world.agree { try stored.model.resized(to: tiling.patchesPerSide * tiling.patchSize) }
        let replica = try world.agree {
            try Replica(
                model, images: images ?? Replica.usefulImages(threads: threads), precision: precision,
                team: ThreadTeam(count: threads), isTrained: false)
        }
        try world.agree { try model.loadParameters(into: replica.parameters.pointer, from: file, of: stored.model) }
        self.replica = replica
        self.stored = stored
        self.tiling = tiling
        self.file = file
        self.warnings = warnings
    }

    package var model: Model { replica.model }

    /// Throws `Failure` where the checkpoint is of a classifier.
    package borrowing func demandAutoencoder() throws {
        guard model.classifier == nil else {
            throw Failure("\(file) holds a classifier", hint: "give a checkpoint of crate pretrain")
        }
    }

    /// A loader of the shards in `data` for evaluation, up to as many samples at a time as the replica takes, normalised as in
    /// training. `maskRatio` nil hides nothing; a classifier is given the labels if `isLabelled`.
    ///
    /// Collective: all ranks have one for the same shards, or all throw.
    package borrowing func loader(
        of data: String, maskRatio: Double?, isLabelled: Bool = false, world: World
    ) throws -> BatchLoader {
        let (configuration, classifier) = (model.configuration, model.classifier)
        let labels = isLabelled ? classifier.map { LabelSettings(classes: $0.classes) } : nil
        let (normalisation, capacity) = (stored.normalisation, replica.capacity)
        let loader = try world.agree {
            try BatchLoader(
                LoaderSettings(
                    path: data, imageSize: configuration.imageSize, patchSize: configuration.patchSize,
                    normalisation: normalisation, maskRatio: maskRatio, labels: labels, seed: 0, capacity: capacity))
        }
        try world.demandEqual(["shards": try world.agree { try ShardIndex.fingerprint(directory: data) }])
        return loader
    }
}
