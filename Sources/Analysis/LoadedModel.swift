import Base
import Checkpoints
import Collectives
import CrateModel
import Images
import Kernels
import Loader
import Shards

/// A checkpoint's model, ready for forward passes.
package struct LoadedModel: ~Copyable {
    /// The model.
    package let model: Model
    /// Its parameters, one flat buffer of `model.layout`.
    package let parameters: OwnedBuffer<Float>
    /// The memory of a pass, with the weights prepared.
    package let workspace: Workspace
    /// The fraction of patches that training hid; 0 for a classifier.
    package let maskRatio: Double
    /// How images are cut into patches.
    package let tiling: PatchTiling
    /// What pixels are normalised with.
    package let normalisation: Normalisation
    /// The file that was read.
    package let file: String
    /// Damaged checkpoints that were passed over. Rank 0's alone.
    package let warnings: [Failure]

    /// Loads what `path` means (see `CheckpointStore.modelFile`) on every rank, for up to `images` images at a time (nil:
    /// `Workspace.usefulImages`), of side `imageSize` (nil: as trained) with patches `stride` pixels apart (nil: side by side); see
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
        let (stored, maskRatio, normalisation) = try world.agree {
            try CheckpointStore.description(ofModelFile: file)
        }
        let tiling = try world.agree {
            let trained = stored.configuration
            return try PatchTiling(
                imageSize: imageSize ?? trained.imageSize, patchSize: trained.patchSize, stride: stride)
        }
        // A model knows the grid of its patches only by the side of an image, in which they lie side by side.
        let model = try world.agree { try stored.resized(to: tiling.patchesPerSide * tiling.patchSize) }
        let parameters = try world.agree { try OwnedBuffer<Float>(count: model.layout.bufferCount) }
        try world.agree { try model.loadParameters(into: parameters.pointer, from: file, of: stored) }
        let workspace = try world.agree {
            try Workspace(
                model, images: images ?? Workspace.usefulImages(threads: threads), precision: precision,
                team: ThreadTeam(count: threads))
        }
        model.prepare(parameters: parameters.pointer, workspace: workspace)
        self.model = model
        self.parameters = parameters
        self.workspace = workspace
        self.maskRatio = maskRatio
        self.tiling = tiling
        self.normalisation = normalisation
        self.file = file
        self.warnings = warnings
    }

    /// Replaces the weights by the initial values that `seed` draws, for comparison.
    package borrowing func initialise(seed: UInt64) {
        model.layout.initialise(parameters.pointer, seed: seed)
        model.prepare(parameters: parameters.pointer, workspace: workspace)
    }

    /// The masked autoencoder. Throws `Failure` where the checkpoint is of a classifier.
    package var autoencoder: MaskedAutoencoder {
        get throws {
            if case .autoencoder(let model) = model { return model }
            throw Failure("\(file) holds a classifier", hint: "give a checkpoint of crate pretrain")
        }
    }

    /// A loader of the shards in `data` for evaluation, up to as many samples at a time as the workspace takes, normalised as in
    /// training. `maskRatio` nil hides nothing; a classifier is given the labels if `isLabelled`.
    ///
    /// Collective: all ranks have one for the same shards, or all throw.
    package borrowing func loader(
        of data: String, maskRatio: Double?, isLabelled: Bool = false, world: World
    ) throws -> BatchLoader {
        let (configuration, classifier) = (model.configuration, model.classifier)
        let labels = isLabelled ? classifier.map { LabelSettings(classes: $0.configuration.classes) } : nil
        let (normalisation, capacity) = (normalisation, workspace.capacity)
        let loader = try world.agree {
            try BatchLoader(
                LoaderSettings(
                    path: data, imageSize: configuration.imageSize, patchSize: configuration.patchSize,
                    normalisation: normalisation, maskRatio: maskRatio, labels: labels, seed: 0, capacity: capacity))
        }
        try world.demandEqual(["shards": try world.agree { try ShardIndex.fingerprint(directory: data) }])
        return loader
    }

    /// The encoder over `batch`; its state is in the workspace.
    package borrowing func encode(_ batch: PatchBatch) {
        model.encode(batch, parameters: parameters.pointer, workspace: workspace)
    }
}
