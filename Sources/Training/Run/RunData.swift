import Base
import Checkpoints
import Settings
import Shards

/// The shards of a run, as far as it has to know whether they are still the same.
struct RunData {
    /// The names of the training shards' classes in the order of their labels; nil where no classifier is trained.
    let classes: [String]?
    /// The checksums of the indexes, by the names of settings. Each has those of all shards, so other shards have another one.
    let fields: [String: String]

    static let training = "training-shards"
    static let validation = "validation-shards"

    /// Throws `Failure` if an index cannot be read, or if labels would be compared that mean other classes: those of the training shards,
    /// of the validation shards, or of the classifier `pretrained`, whose head is kept.
    init(
        _ configuration: TrainingConfiguration, _ files: FileOptions, comparesLabels: Bool,
        _ pretrained: PretrainedWeights?
    ) throws {
        let isClassifier = configuration.classification != nil
        let own = ClassMeanings(try ShardIndex.read(directory: files.data).classes, of: files.data)
        classes = isClassifier ? own.names : nil
        if isClassifier || comparesLabels, let validation = files.validation {
            try ClassMeanings(try ShardIndex.read(directory: validation).classes, of: validation)
                .requireSame(as: own, hint: "shard it again with --classes \(files.data)/index.json")
        }
        if isClassifier { try pretrained?.requireClasses(own) }
        var fields = [Self.training: try ShardIndex.fingerprint(directory: files.data)]
        fields[Self.validation] = try files.validation.map { try ShardIndex.fingerprint(directory: $0) }
        self.fields = fields
    }
}
