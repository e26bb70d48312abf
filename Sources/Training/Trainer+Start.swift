import Buffers
import Checkpoints
import CrateModel
import Files

extension Trainer {
    /// Replaces the initial values by those of `start`, as far as it has parameters of these names; only a head may be without.
    /// Throws `Failure` where another one is missing or has another shape. On rank 0.
    func begin(from start: StartingPoint) throws {
        guard let classifier = model.classifier else { return }
        let source = try CheckpointStore.description(ofModelFile: start.file).model
        let shapes = Dictionary(uniqueKeysWithValues: source.layout.parameters.map { ($0.name, $0.shape) })
        let headLayer = classifier.configuration.encoder.depth + 1
        let taken = try classifier.layout.parameters.filter { parameter in
            let isHead = classifier.layer(ofParameterAt: parameter.offset) == headLayer
            if isHead && start.hasNewHead && source.classifier != nil { return false }
            guard let shape = shapes[parameter.name] else {
                if isHead { return false }
                throw Failure("\(start.file) has no \(parameter.name)", hint: "give a model of the same kind")
            }
            if let theirs = source.classifier?.configuration.classes, isHead, shape != parameter.shape {
                throw Failure(
                    "\(start.file) tells \(theirs) classes apart, the shards have \(classifier.configuration.classes)",
                    hint: "add --new-head to begin with a new head")
            }
            return true
        }
        try CheckpointStore.loadParameters(into: optimizer.parameters.pointer, parameters: taken, from: start.file)
    }
}
