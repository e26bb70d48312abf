import Base
import Checkpoints
import CrateModel
import Foundation
import Kernels
import Loader
import Optimizers
import Training

/// A model and one batch in one process, to be looked at step by step.
package struct DebugSession: ~Copyable {
    /// What the run would compute; a batch here is one micro-batch of it.
    package let configuration: TrainingConfiguration
    /// A masked autoencoder.
    package let replica: Replica
    /// Updates all of its parameters.
    package let optimizer: Optimizer
    private let patches: OwnedBuffer<Float>
    private let mask: OwnedBuffer<UInt8>
    private let hidden: Int

    /// The first micro-batch of the shards in `data`, and the parameters of `checkpoint`, or initial ones.
    package init(
        _ configuration: TrainingConfiguration, data: String, checkpoint: String?, threads: Int
    ) throws {
        let (model, images) = (try Model(configuration.model), configuration.microBatch)
        let optimizer = try Optimizer(model.layout, rule: .adamW(weightDecay: configuration.weightDecay))
        let replica = try Replica(
            model, images: images, precision: configuration.precision, team: ThreadTeam(count: threads),
            isTrained: true)
        if let checkpoint {
            // The moments stay zero: what is looked at is the model.
            try CheckpointStore.load(into: replica.parameters.pointer, of: model, from: checkpoint) {
                _, _, _ in
            }
        } else {
            replica.initialise(seed: configuration.seed)
        }
        let loader = try configuration.makeLoader(data)
        loader.begin(BatchSequence(first: 0, size: images, stride: images, end: images), for: .training)
        guard let loaded = try loader.next() else { preconditionFailure("a sequence of one batch has none") }
        let shape = configuration.model
        let patches = try OwnedBuffer<Float>(count: images * shape.patchCount * shape.patchValueCount)
        let mask = try OwnedBuffer<UInt8>(count: images * shape.patchCount)
        patches.pointer.update(from: loaded.patches, count: patches.count)
        mask.pointer.update(from: loaded.mask, count: mask.count)
        self.configuration = configuration
        self.replica = replica
        self.optimizer = optimizer
        self.patches = patches
        self.mask = mask
        hidden = shape.patchCount - loader.visiblePatches
    }

    /// The images of the batch.
    package var images: Int { configuration.microBatch }

    private var batch: PatchBatch { PatchBatch(patches: patches.pointer, mask: mask.pointer, images: images) }

    private func meanLoss(_ replica: borrowing Replica) -> Double {
        replica.imageLosses.prefix(images).reduce(0, +) / Double(images * hidden)
    }

    /// The loss of the batch, by a forward pass of `replica`.
    func loss(_ replica: borrowing Replica) -> Double {
        replica.forward(batch)
        replica.loss(batch)
        return meanLoss(replica)
    }

    /// A forward pass and what it left that is not finite, the first of it: the batch, a parameter, or what a layer computed.
    package borrowing func findBadValue() -> BadTensor? {
        let shape = configuration.model
        let found = BadTensor.first(
            in: [("input patches", [images, shape.patchCount, shape.patchValueCount], patches.pointer)]
                + named(replica.parameters.pointer, "parameter"))
        if let found { return found }
        replica.forward(batch)
        let tensors = replica.tensors(images: images)
        for (index, tensor) in tensors.enumerated() {
            let before = index > 0 ? tensors[index - 1] : nil
            if let bad = BadTensor("output of \(tensor.name)", tensor.shape, tensor.copy(), before) { return bad }
        }
        return nil
    }

    /// Sets the gradients of the mean loss and returns that.
    @discardableResult
    package borrowing func computeGradients() -> Double { computeGradients(replica) }

    /// Sets the gradients of `replica` and returns the loss, by a forward and a backward pass.
    @discardableResult
    func computeGradients(_ replica: borrowing Replica) -> Double {
        replica.clearGradients()
        replica.forward(batch)
        replica.loss(batch, gradientScale: 1 / Float(images * hidden))
        replica.completeBackward(batch)
        return meanLoss(replica)
    }

    /// The gradient that is not finite, the first that a backward pass computes.
    package borrowing func findBadGradient() -> BadTensor? {
        BadTensor.first(in: named(replica.gradients.pointer, "gradient of").reversed())
    }

    private func named(
        _ buffer: UnsafeMutablePointer<Float>, _ kind: String
    ) -> [(String, [Int], UnsafeMutablePointer<Float>)] {
        replica.model.layout.parameters.map { ("\(kind) \($0.name)", $0.shape, buffer + $0.offset) }
    }
}

/// A tensor that holds what is not a finite number.
package struct BadTensor {
    /// What it is.
    package let name: String
    /// Row-major extents.
    package let shape: [Int]
    /// Its elements.
    package let values: [Float]
    /// What it was computed from, where that is known.
    package let before: PassTensor?

    /// Nil where all of `values` are finite.
    init?(_ name: String, _ shape: [Int], _ values: [Float], _ before: PassTensor? = nil) {
        guard !allFinite(values, count: values.count) else { return nil }
        (self.name, self.shape, self.values, self.before) = (name, shape, values, before)
    }

    static func first(in tensors: [(String, [Int], UnsafeMutablePointer<Float>)]) -> BadTensor? {
        for (name, shape, values) in tensors {
            let count = shape.reduce(1, *)
            guard !allFinite(values, count: count) else { continue }
            return BadTensor(name, shape, [Float](UnsafeBufferPointer(start: values, count: count)))
        }
        return nil
    }

    /// How many elements are what, and where the first of them is.
    package var text: String {
        let (nans, infinities) = (values.filter(\.isNaN).count, values.filter(\.isInfinite).count)
        var (place, index) = (values.firstIndex { !$0.isFinite } ?? 0, [Int]())
        for extent in shape.reversed() {
            index.insert(place % extent, at: 0)
            place /= extent
        }
        return "\(name) holds \(nans) NaN and \(infinities) infinite of \(values.count) values, the first at \(index)"
    }

    /// Writes it, and what it was computed from, as safetensors into `directory`; returns the file.
    func dump(to directory: String) throws -> String {
        try makeDirectory(directory)
        let safe = name.map { $0.isLetter || $0.isNumber || $0 == "." ? $0 : "-" }
        let path = "\(directory)/\(String(safe)).safetensors"
        let tensors = [(name, shape, values)] + (before.map { [("before: \($0.name)", $0.shape, $0.copy())] } ?? [])
        let room = try OwnedBuffer<Float>(count: tensors.map(\.2.count).max() ?? 0)
        try writeSafetensors(
            tensors.map { NamedTensor($0.0, $0.1) }, metadata: ["found": text], to: path
        ) { index in
            room.pointer.update(from: tensors[index].2, count: tensors[index].2.count)
            return UnsafePointer(room.pointer)
        }
        return path
    }
}
