import Checkpoints

/// What `measures.jsonl` tells of the layers of a run.
struct MetricsHistory {
    /// A number of a layer: its mean over images, and their standard deviation where it is known.
    struct Value: Equatable {
        var mean: Double
        var deviation: Double?
    }

    /// One measurement of all layers.
    struct Measurement {
        /// Steps done.
        var step: Int
        /// By part (`encoder`, `decoder`) and name, one value a layer; none where it was not measured.
        var values: [String: [String: [Value?]]]
    }

    /// The most layers that are read; a file may claim any number.
    private static let layerLimit = 256

    /// All measurements, by rising step.
    private(set) var measurements: [Measurement] = []
    /// What could not be read.
    private(set) var damage = JSONLines.Damage()

    /// Reads the measures of the run directory `run`; where there are none, it is empty.
    init(run: String) {
        var measurements: [Measurement] = []
        damage = JSONLines.read(RunFile.measures.path(in: run)) { fields in
            guard let step = fields["step"]?.count else { return }
            // A run that went back measured again.
            while let last = measurements.last, last.step >= step { measurements.removeLast() }
            let values = ["encoder", "decoder"].map { ($0, Self.columns(fields[$0]?.list ?? [])) }
            measurements.append(Measurement(step: step, values: Dictionary(uniqueKeysWithValues: values)))
        }
        self.measurements = measurements
    }

    /// The measurements of `name` of `part`: those that have a value.
    func series(_ part: String, _ name: String) -> [(step: Int, layers: [Value?])] {
        measurements.compactMap { measurement in
            guard let layers = measurement.values[part]?[name] else { return nil }
            return (measurement.step, layers)
        }
    }

    private static func columns(_ layers: [JSONValue]) -> [String: [Value?]] {
        var columns: [String: [Value?]] = [:]
        let layers = layers.prefix(layerLimit)
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
