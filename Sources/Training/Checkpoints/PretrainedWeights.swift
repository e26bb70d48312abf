import Base
import Checkpoints
import CrateModel
import Kernels

/// Weights that a classifier starts from.
package struct PretrainedWeights: Sendable {
    /// A model file; see `CheckpointStore.modelFile`.
    package let file: String
    /// Whether the head is initialised anew even if the file has one.
    package let hasNewHead: Bool

    package init(file: String, hasNewHead: Bool) {
        self.file = file
        self.hasNewHead = hasNewHead
    }

    /// Throws `Failure` if the classifier in the file tells other classes apart than the `training` shards have, unless its head is not used.
    func requireClasses(_ training: ClassMeanings) throws {
        guard !hasNewHead, let theirs = try CheckpointStore.description(ofModelFile: file).classes else { return }
        try training.requireSame(
            as: ClassMeanings(theirs, of: file),
            hint: "add --new-head to begin with a new head, or shard with --classes")
    }

    /// What to tell if the head of the file is kept, and nobody knows for which classes it is.
    var namelessClasses: Failure? {
        guard !hasNewHead, let source = try? CheckpointStore.description(ofModelFile: file),
            source.model.classifier != nil, source.classes == nil
        else { return nil }
        return .namelessClasses(of: file)
    }

    /// The parameters of `model` to read from the file: all, except that a head may be missing. Throws `Failure` if another parameter is
    /// missing or has another shape.
    func parameters(of model: Model) throws -> [Parameter] {
        let source = try CheckpointStore.description(ofModelFile: file).model
        let shapes = Dictionary(uniqueKeysWithValues: source.layout.parameters.map { ($0.name, $0.shape) })
        return try model.layout.parameters.filter { parameter in
            let isHead = model.isHead(parameter)
            if isHead && hasNewHead && source.classifier != nil { return false }
            guard let shape = shapes[parameter.name] else {
                if isHead { return false }
                throw Failure("\(file) has no \(parameter.name)", hint: "give a model of the same kind")
            }
            if let theirs = source.classifier?.classes, isHead, shape != parameter.shape {
                throw Failure(
                    "\(file) tells \(theirs) classes apart, the shards have \(model.classifier?.classes ?? 0)",
                    hint: "add --new-head to begin with a new head")
            }
            guard shape == parameter.shape else {
                throw Failure(
                    "\(parameter.name) of \(file) has shape \(shape), the model \(parameter.shape)",
                    hint: "leave the size of images and patches as it was")
            }
            return true
        }
    }
}
