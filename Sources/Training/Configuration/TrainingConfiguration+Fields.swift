import Foundation

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
