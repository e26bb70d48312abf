import Foundation

extension TrainingConfiguration {
    /// Every setting as text, by the name of the option that decides it, where there is one.
    package var fields: [String: String] {
        get throws {
            var fields: [String: String] = [:]
            func add(_ value: Any, _ name: String) {
                guard let object = value as? [String: Any] else {
                    // A flag is a number to Foundation, of a type of its own.
                    let isFlag = (value as? NSNumber).map { String(cString: $0.objCType) == "c" } ?? false
                    return fields[Self.name(name)] = isFlag ? "\(value as? Bool == true)" : "\(value)"
                }
                for (inner, value) in object { add(value, name.isEmpty ? inner : "\(name).\(inner)") }
            }
            add(try JSONSerialization.jsonObject(with: JSONEncoder().encode(self)), "")
            return fields
        }
    }

    /// Settings that a run may change on its way: how long it is, and how a batch is divided, which changes nothing but the
    /// rounding of sums.
    static let changeable: Set = ["steps", "warmup-steps", "micro-batch", "virtual-ranks"]

    /// Settings that are not named as their option is.
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
