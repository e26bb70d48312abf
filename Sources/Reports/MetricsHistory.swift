import Checkpoints

/// The contents of `measures.jsonl`.
struct MetricsHistory {
    /// The mean of a metric over images, and its standard deviation if known.
    struct Value: Equatable {
        var mean: Double
        var deviation: Double?
    }

    /// One measurement of all layers.
    struct Measurement {
        /// Steps done.
        var step: Int
        /// By part (`encoder`, `decoder`) and name, one value per layer; nil if not measured.
        var values: [String: [String: [Value?]]]
    }

    /// Bounds the number of layers that a file may claim.
    private static let layerLimit = 256

    /// In the order of the steps.
    private(set) var measurements: [Measurement] = []
    private(set) var damage = JSONLines.Damage()

    /// Reads the metrics of the run directory `run`; empty if there are none.
    init(run: String) {
        var measurements: [Measurement] = []
        damage = JSONLines.read(RunFile.measures.path(in: run)) { fields in
            guard let step = fields["step"]?.count else { return }
            // A resumed run may measure a step again.
            while let last = measurements.last, last.step >= step { measurements.removeLast() }
            let (encoder, decoder) = (Self.columns(fields["encoder"]), Self.columns(fields["decoder"]))
            measurements.append(Measurement(step: step, values: ["encoder": encoder, "decoder": decoder]))
        }
        self.measurements = measurements
    }

    /// The measurements that have a value of `name` of `part`.
    func series(_ part: String, _ name: String) -> [(step: Int, layers: [Value?])] {
        measurements.compactMap { measurement in
            guard let layers = measurement.values[part]?[name] else { return nil }
            return (measurement.step, layers)
        }
    }

    private static func columns(_ layers: JSONValue?) -> [String: [Value?]] {
        var columns: [String: [Value?]] = [:]
        let layers = (layers?.list ?? []).prefix(layerLimit)
        for (index, layer) in layers.enumerated() {
            guard case .object(let fields) = layer else { continue }
            for (name, field) in fields {
                guard let mean = field.number ?? field["mean"]?.number else { continue }
                columns[name, default: Array(repeating: nil, count: layers.count)][index] =
                    Value(mean: mean, deviation: field["std"]?.number)
            }
        }
        return columns
    }
}
