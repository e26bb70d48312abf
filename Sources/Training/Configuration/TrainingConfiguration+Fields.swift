import Foundation
import Shards

extension TrainingConfiguration {
    /// Every setting as text, by the name of its option if there is one.
    package var fields: [String: String] {
        get throws {
            var fields: [String: String] = [:]
            func add(_ value: EncodedValue, _ name: String) {
                guard case .object(let object) = value else { return fields[Self.name(name)] = value.text }
                for (inner, value) in object { add(value, name.isEmpty ? inner : "\(name).\(inner)") }
            }
            add(try JSONDecoder().decode(EncodedValue.self, from: JSONEncoder().encode(self)), "")
            return fields
        }
    }

    /// Settings that may change when a run is resumed: its length, and how a batch is divided, which only changes the rounding of sums.
    static let changeable: Set = ["steps", "warmup-steps", "micro-batch", "virtual-ranks"]

    /// Settings whose name differs from their option's.
    private static let names = [
        "normalisation.mean": "pixel-mean", "normalisation.deviation": "pixel-deviation", "schedule.peak": "lr",
        "schedule.totalSteps": "steps", "sampleCount": "samples",
        "classification.labels.augmentation.operations": "rand-augment",
        "classification.labels.smoothing": "label-smoothing", "model.normalisesTargets": "norm-pix",
        "model.decoder.dim": "decoder-dim", "model.decoder.heads": "decoder-heads",
    ]

    /// `batchSize` and `model.batchSize` are `batch-size`.
    private static func name(_ key: String) -> String {
        names[key]
            ?? (key.split(separator: ".").last ?? "").map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
    }
}

/// An encoded value as text, with all digits.
private enum EncodedValue: Decodable {
    case leaf(String)
    case list([EncodedValue])
    case object([String: EncodedValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let flag = try? container.decode(Bool.self) {
            self = .leaf("\(flag)")
        } else if let number = try? container.decode(UInt64.self) {
            self = .leaf("\(number)")
        } else if let number = try? container.decode(Double.self) {
            self = .leaf("\(number)")
        } else if let text = try? container.decode(String.self) {
            self = .leaf(text)
        } else if let list = try? container.decode([EncodedValue].self) {
            self = .list(list)
        } else {
            self = .object(try container.decode([String: EncodedValue].self))
        }
    }

    var text: String {
        switch self {
        case .leaf(let text): text
        case .list(let list): "[\(list.map(\.text).joined(separator: ", "))]"
        case .object(let fields): fields.map { "\($0): \($1.text)" }.sorted().joined(separator: ", ")
        }
    }
}

extension TrainingConfiguration {
    /// Warnings about settings that are valid but rarely intended, for a run on the shards of `index`.
    package func warnings(for index: ShardIndex) -> [String] {
        var texts: [String] = []
        if schedule.peak > 0, schedule.peak < 1e-5 {
            let rate = String(format: "%.1e", schedule.peak)
            texts.append(
                "a peak learning rate of \(rate) teaches hardly anything; for small batches give --lr, such as 1e-3")
        }
        if index.imageSize > 0, model.imageSize > index.imageSize {
            texts.append(
                "images of \(index.imageSize) pixels are enlarged to \(model.imageSize); with --image-size \(index.imageSize) "
                    + "a model takes them as they are, and is faster")
        }
        if batchSize > sampleCount {
            texts.append(
                "a step of \(batchSize) images takes \(sampleCount) samples more than once; lower --batch-size")
        }
        return texts
    }
}
