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
    package let replica: Replica
    package let stored: StoredModel
    package let tiling: PatchTiling
    /// How images are shown.
    package var view: BandView
    package let file: String
    /// Corrupt checkpoints that were skipped. On rank 0 only.
    package let warnings: [Failure]
}

extension LoadedModel {
    /// Loads `weights` of the checkpoint at `path` (see `CheckpointStore.modelFile`) on every rank, for up to `images`
    /// images at a time (nil: `Replica.usefulImages`), of side `imageSize` (nil: as trained) with patches `stride` pixels
    /// apart (nil: side by side); see `Model.loadParameters` for the positions on another grid of patches.
    ///
    /// Collective: all ranks return the model, or all throw.
    package init(
        _ path: String, weights: StoredWeights = .trained, images: Int? = nil, imageSize: Int? = nil,
        stride: Int? = nil, precision: Precision,
        products: ProductBackend = .fastest, threads: Int, world: World
    ) throws {
        var warnings: [Failure] = []
        // Only rank 0 decides which checkpoint is the newest: another may be written meanwhile.
        let chosen = try world.agree {
            world.rank == 0 ? try CheckpointStore.modelFile(at: path, weights: weights) { warnings.append($0) } : ""
        }
        let file = world.broadcast([chosen], from: 0)[0]
        let stored = try world.agree { try CheckpointStore.description(ofModelFile: file) }
        let trained = stored.model.configuration
        let tiling = try world.agree {
            try PatchTiling(imageSize: imageSize ?? trained.imageSize, patchSize: trained.patchSize, stride: stride)
        }
        let replica = try world.agree {
            // A model derives its grid of patches from the image size, with patches side by side.
            let model = try stored.model.resized(to: tiling.patchesPerSide * tiling.patchSize)
            let replica = try Replica(
                model, images: images ?? Replica.usefulImages(threads: threads), precision: precision,
                products: products, team: ThreadTeam(count: threads), isTrained: false)
            try model.loadParameters(into: replica.parameters.pointer, from: file, of: stored.model)
            return replica
        }
        let view = try world.agree { try BandView(bands: nil, of: stored.normalisation) }
        self.init(replica: replica, stored: stored, tiling: tiling, view: view, file: file, warnings: warnings)
    }

    package var model: Model { replica.model }

    /// The division of the model's input into patches.
    var inputGrid: PatchGrid {
        get throws {
            let configuration = model.configuration
            return try PatchGrid(
                imageSize: configuration.imageSize, patchSize: configuration.patchSize,
                pixel: PixelFormat(channels: configuration.channels, depth: 8))
        }
    }

    /// What image files are decoded to. Of 16 bits where they are not RGB: files of 8 have the same brightness in it.
    package var pixelFormat: PixelFormat {
        get throws {
            let channels = stored.model.configuration.channels
            return channels == 3 ? .rgb : try PixelFormat(channels: channels, depth: 16)
        }
    }

    /// Throws `Failure` if the checkpoint is of a classifier.
    package borrowing func requireAutoencoder() throws {
        guard model.classifier == nil else {
            throw Failure("\(file) contains a classifier", hint: "give a checkpoint of crate pretrain")
        }
    }

    /// Throws `Failure` if the labels of the shards in `data` mean other classes than the outputs of this classifier. Shards without labels are
    /// the loader's to refuse.
    package borrowing func requireClasses(of data: String) throws {
        guard let theirs = stored.classes else { return }
        let own = try ShardIndex.read(directory: data).classes
        guard !own.isEmpty else { return }
        try ClassMeanings(own, of: data).requireSame(
            as: ClassMeanings(theirs, of: file),
            hint: "shard it again with --classes and the index.json of the training shards")
    }

    /// What to tell where labels are compared with a classifier's outputs, and nobody knows which classes they are.
    package var namelessClasses: Failure? {
        model.classifier != nil && stored.classes == nil ? .namelessClasses(of: file) : nil
    }

    /// Throws `Failure` unless `isFinite`: of finite weights that are too large, `what` is nothing that can be reported.
    package borrowing func requireFinite(_ what: String, _ isFinite: Bool) throws {
        guard isFinite else {
            throw Failure("the \(what) of \(file) are not finite", hint: "use an earlier checkpoint")
        }
    }

    /// A loader of the shards in `data` for evaluation, for up to as many samples at a time as the replica takes,
    /// normalised as in training. `maskRatio` nil hides nothing; a classifier receives the labels if `isLabelled`.
    ///
    /// Collective: all ranks return a loader of the same shards, or all throw.
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
        try world.requireEqual(["shards": try world.agree { try ShardIndex.fingerprint(directory: data) }])
        return loader
    }
}

extension Model {
    package func batch(_ loaded: LoadedBatch, drops: BranchDrops? = nil) -> PatchBatch {
        let isClassifier = classifier != nil
        return PatchBatch(
            patches: loaded.patches, mask: isClassifier ? nil : loaded.mask,
            targets: isClassifier ? loaded.targets : nil, images: loaded.positions.count, drops: drops)
    }
}
