import Base

// n samples, D features of each, C classes.

/// Features of samples with their classes, in memory that an arena owns.
package struct LabelledFeatures {
    /// (n, D).
    package let values: UnsafeMutablePointer<Float>
    /// The class of each sample, 0 ..< C.
    package let labels: [Int]
    /// D.
    package let dim: Int
    /// C.
    package let classes: Int

    /// n.
    package var count: Int { labels.count }

    /// Zeros, to be filled in, for samples of the classes `labels`.
    ///
    /// Throws `Failure` when there are none, a label is none of the `classes`, or memory is short.
    package init(labels: [Int], dim: Int, classes: Int, name: String, in memory: inout Arena) throws {
        guard !labels.isEmpty, classes > 1 else {
            throw Failure("\(name) has \(labels.count) samples of \(classes) classes", hint: "give labelled samples")
        }
        if let odd = labels.firstIndex(where: { !(0..<classes).contains($0) }) {
            throw Failure(
                "sample \(odd) of \(name) has the label \(labels[odd]), which is none of \(classes) classes",
                hint: "shard images in one folder a class")
        }
        let (count, overflow) = labels.count.multipliedReportingOverflow(by: dim)
        guard !overflow else { throw Failure("\(name) has too many features", hint: "probe fewer layers") }
        values = try memory.floats(count)
        self.labels = labels
        self.dim = dim
        self.classes = classes
    }

    /// Feature row `sample`.
    package subscript(sample: Int) -> UnsafeMutablePointer<Float> { values + sample * dim }

    /// The samples `chosen`, in that order.
    package func subset(_ chosen: [Int], in memory: inout Arena) throws -> LabelledFeatures {
        let part = try LabelledFeatures(
            labels: chosen.map { labels[$0] }, dim: dim, classes: classes, name: "the chosen part", in: &memory)
        for (row, sample) in chosen.enumerated() { part[row].update(from: self[sample], count: dim) }
        return part
    }
}

/// Per feature, x -> (x - mean) / deviation, with mean and deviation of some samples; a feature that is constant becomes 0.
package struct Standardisation {
    private let means: [Float]
    private let scales: [Float]

    /// That of `features`, summed in Double in the order of the samples.
    package init(of features: LabelledFeatures) {
        let (dim, n) = (features.dim, Double(features.count))
        var (sums, squares) = ([Double](repeating: 0, count: dim), [Double](repeating: 0, count: dim))
        for sample in 0..<features.count {
            let row = features[sample]
            for feature in 0..<dim { sums[feature] += Double(row[feature]) }
        }
        let means = sums.map { $0 / n }
        for sample in 0..<features.count {
            let row = features[sample]
            for feature in 0..<dim {
                let centred = Double(row[feature]) - means[feature]
                squares[feature] += centred * centred
            }
        }
        self.means = means.map(Float.init)
        scales = squares.map { $0 > 0 ? Float(1 / ($0 / n).squareRoot()) : 0 }
    }

    /// Applies it in place.
    package func apply(to features: LabelledFeatures) {
        for sample in 0..<features.count {
            let row = features[sample]
            for feature in 0..<features.dim { row[feature] = (row[feature] - means[feature]) * scales[feature] }
        }
    }
}
