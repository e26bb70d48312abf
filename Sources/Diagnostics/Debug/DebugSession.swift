import Analysis
import Base
import Checkpoints
import CrateModel
import Foundation
import Kernels
import Loader
import Optimizers
import Training

/// A model and one batch in one process, for debugging.
package struct DebugSession: ~Copyable {
    /// A batch here is one micro-batch of the run.
    package let configuration: TrainingConfiguration
    /// A masked autoencoder.
    package let replica: Replica
    package let optimizer: Optimizer
    let batch: PatchBatch
    /// Has the memory of the batch.
    private let loader: BatchLoader
}

extension DebugSession {
    /// Takes the first micro-batch of the shards in `data`, and the parameters of `checkpoint` or, if nil, initial
    /// ones.
    package init(
        _ configuration: TrainingConfiguration, data: String, checkpoint: String?, threads: Int,
        products: ProductBackend = .fastest
    ) throws {
        let (model, images) = (try Model(configuration.model), configuration.microBatch)
        let optimizer = try Optimizer(model.layout, rule: .adamW(weightDecay: configuration.weightDecay))
        let replica = try Replica(
            model, images: images, visible: configuration.visiblePatches, precision: configuration.precision,
            products: products,
            team: ThreadTeam(count: threads), isTrained: true)
        if let checkpoint {
            // The moments stay zero: only the model is examined.
            try CheckpointStore.load(into: replica.parameters.pointer, of: model, from: checkpoint) { _, _, _ in }
        } else {
            replica.initialise(seed: configuration.seed)
        }
        let loader = try configuration.makeLoader(data)
        loader.begin(BatchSequence(first: 0, size: images, stride: images, end: images), for: .training)
        guard let loaded = try loader.next() else { preconditionFailure("a sequence of one batch has none") }
        self.init(
            configuration: configuration, replica: replica, optimizer: optimizer, batch: model.batch(loaded),
            loader: loader)
    }

    package var images: Int { batch.images }

    var terms: Int { images * loader.lossTerms }

    /// The mean loss of the batch after a forward pass of `replica`.
    func loss(_ replica: borrowing Replica) -> Double {
        replica.forward(batch)
        replica.loss(batch)
        return replica.meanLoss(batch, terms: terms)
    }

    /// Runs a forward pass and returns the first tensor that is not finite: the batch, a parameter, or a layer's
    /// output.
    package borrowing func findBadValue() -> BadTensor? {
        let shape = configuration.model
        let found = BadTensor.first(
            in: [("input patches", [images, shape.patchCount, shape.patchValueCount], batch.patches)]
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

    /// Sets the gradients of the mean loss, which is returned.
    package borrowing func computeGradients() -> Double { replica.computeGradients(batch, terms: terms) }

    /// The first gradient in the order of the backward pass that is not finite.
    package borrowing func findBadGradient() -> BadTensor? {
        BadTensor.first(in: named(replica.gradients.pointer, "gradient of").reversed())
    }

    private func named(_ buffer: UnsafePointer<Float>, _ kind: String) -> [(String, [Int], UnsafePointer<Float>)] {
        replica.model.layout.parameters.map { ("\(kind) \($0.name)", $0.shape, buffer + $0.offset) }
    }
}

/// A tensor with values that are not finite.
package struct BadTensor {
    package let name: String
    package let shape: [Int]
    package let values: [Float]
    /// The input it was computed from, if known.
    package let before: PassTensor?

    /// Nil if all of `values` are finite.
    init?(_ name: String, _ shape: [Int], _ values: [Float], _ before: PassTensor? = nil) {
        guard !allFinite(values, count: values.count) else { return nil }
        (self.name, self.shape, self.values, self.before) = (name, shape, values, before)
    }

    static func first(in tensors: [(String, [Int], UnsafePointer<Float>)]) -> BadTensor? {
        for (name, shape, values) in tensors {
            if let bad = BadTensor(name, shape, copied(values, shape.reduce(1, *))) { return bad }
        }
        return nil
    }

    /// The number of NaN and infinite values, and the index of the first.
    package var text: String {
        let (nans, infinities) = (values.filter(\.isNaN).count, values.filter(\.isInfinite).count)
        var (place, index) = (values.firstIndex { !$0.isFinite } ?? 0, [Int]())
        for extent in shape.reversed() {
            index.insert(place % extent, at: 0)
            place /= extent
        }
        return "\(name) holds \(nans) NaN and \(infinities) infinite of \(values.count) values, the first at \(index)"
    }

    /// Writes the tensor and its input as safetensors to `directory`; returns the path.
    func dump(to directory: String) throws -> String {
        try makeDirectory(directory)
        let safe = name.map { $0.isLetter || $0.isNumber || $0 == "." ? $0 : "-" }
        let path = "\(directory)/\(String(safe)).safetensors"
        let tensors = [(name, shape, values)] + (before.map { [("before: \($0.name)", $0.shape, $0.copy())] } ?? [])
        let room = try OwnedBuffer<Float>(count: tensors.map(\.2.count).max() ?? 0)
        try writeSafetensors(tensors.map { NamedTensor($0.0, $0.1) }, metadata: ["found": text], to: path) { index in
            room.pointer.update(from: tensors[index].2, count: tensors[index].2.count)
            return UnsafePointer(room.pointer)
        }
        return path
    }
}
