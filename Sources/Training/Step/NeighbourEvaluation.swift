import Analysis
import Base
import Collectives
import CrateModel
import Kernels
import Loader
import Probing
import Settings
import Shards

/// The accuracy of nearest neighbours during a run, as `crate probe` measures it behind the encoder's last norm: training
/// samples are the gallery, validation samples the queries.
///
/// All ranks compute features; rank 0 alone keeps those of the gallery, and compares.
struct NeighbourEvaluation: ~Copyable {
    /// Bounds memory and time for large training sets.
    private static let galleryLimit = 10_000

    private let loader: BatchLoader
    /// Of the gallery; nil on other ranks than 0.
    private let gallery: LabelledFeatures?
    /// Classes of the validation samples; empty on other ranks than 0.
    private let truths: [Int]
    private let memory: Arena
}

extension NeighbourEvaluation {
    /// Draws the gallery from the seed, and reads labels on rank 0, the coordinator. Throws `Failure` if samples have no
    /// labels, there are fewer than two classes, or memory is short.
    init(_ configuration: TrainingConfiguration, _ files: FileOptions, isCoordinator: Bool) throws {
        let classes = try ShardIndex.read(directory: files.data).classes.count
        guard classes > 1 else {
            throw Failure(
                "\(files.data) has \(classes == 1 ? "one class" : "no classes"), and nearest neighbours need two",
                hint: "leave --knn-every out, or shard a folder with a folder a class")
        }
        let samples = Self.chosen(of: configuration.sampleCount, seed: configuration.seed)
        let loader = try configuration.makeLoader(files.data, files.onCorrupt, samples: samples)
        var memory = Arena()
        var (gallery, truths): (LabelledFeatures?, [Int]) = (nil, [])
        if isCoordinator, let validation = files.validation {
            var training = try ShardDirectory(path: files.data)
            gallery = try LabelledFeatures(
                labels: samples.map { try training.label(sample: $0) }, dim: configuration.model.dim, classes: classes,
                name: "the gallery of \(files.data)", in: &memory)
            truths = try ShardDirectory(path: validation).labels()
            try LabelledFeatures.requireLabels(truths, classes: classes, name: validation)
        }
        self.init(loader: loader, gallery: gallery, truths: truths, memory: memory)
    }

    /// Up to `galleryLimit` of `count` samples in their order: the first ones of a permutation.
    private static func chosen(of count: Int, seed: UInt64) -> [Int] {
        let order = KeyedPermutation(count: count, seed: seed, epoch: 0)
        return (0..<min(count, galleryLimit)).map { order[$0] }.sorted()
    }

    /// The accuracy by the features of `replica` on all samples of `validation`; nil if they are not finite. It does not
    /// depend on ranks, threads or micro-batches.
    ///
    /// Overwrites the last pass of `replica`. Collective: all ranks get the accuracy, or all throw.
    borrowing func accuracy(
        _ replica: borrowing Replica, validation: BatchLoader, _ world: World
    ) throws -> Accuracy? {
        let (gallery, truths, team) = (gallery, truths, replica.team)
        let dim = replica.model.configuration.dim
        var (correct, isFinite) = (0, true)
        func collect(_ loader: BatchLoader, _ body: (Range<Int>, UnsafePointer<Float>) throws -> Void) throws {
            try computeFeatures(of: loader, [.encoderMean], by: replica, world: world) { samples, rows in
                isFinite = isFinite && allFinite(rows[0], count: samples.count * dim)
                try body(samples, rows[0])
            }
        }
        try collect(loader) { samples, rows in
            gallery?[samples.lowerBound].update(from: rows, count: samples.count * dim)
        }
        try collect(validation) { samples, rows in
            guard let gallery, isFinite else { return }
            // A batch at a time, since there may be more validation samples than the gallery has.
            var memory = Arena()
            let queries = try LabelledFeatures(
                labels: Array(truths[samples]), dim: dim, classes: gallery.classes, name: "validation", in: &memory)
            queries.values.update(from: rows, count: samples.count * dim)
            correct += try NearestNeighbours().accuracy(on: queries, training: gallery, team: team).correct
        }
        let total = world.broadcast(isFinite ? correct : -1, from: 0)
        return total < 0 ? nil : Accuracy(correct: total, total: validation.count)
    }
}
