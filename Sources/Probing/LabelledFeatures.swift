import Base

// n samples with D features, C classes.

/// Features and class labels of samples. An arena owns the memory.
package struct LabelledFeatures {
    /// (n, D).
    package let values: UnsafeMutablePointer<Float>
    /// The class of each sample, in 0..<C.
    package let labels: [Int]
    package let dim: Int
    package let classes: Int

    package var count: Int { labels.count }

    /// The features are zero. Throws `Failure` if there are no labels, a label is outside 0..<C, or memory is short.
    package init(labels: [Int], dim: Int, classes: Int, name: String, in memory: inout Arena) throws {
        try Self.requireLabels(labels, classes: classes, name: name)
        let (count, overflow) = labels.count.multipliedReportingOverflow(by: dim)
        guard !overflow else { throw Failure("\(name) has too many features", hint: "probe fewer layers") }
        values = try memory.floats(count)
        self.labels = labels
        self.dim = dim
        self.classes = classes
    }

    /// Throws `Failure` if the samples of `name` have no `labels`, or one is outside 0..<`classes`.
    package static func requireLabels(_ labels: [Int], classes: Int, name: String) throws {
        guard !labels.isEmpty, classes > 1 else {
            let problem = classes == 0 ? "no labels" : "\(labels.count) samples of \(classes) classes"
            throw Failure("\(name) has \(problem)", hint: "use labelled samples")
        }
        if let odd = labels.firstIndex(where: { !(0..<classes).contains($0) }) {
            throw Failure(
                "sample \(odd) of \(name) has label \(labels[odd]), which is not in 0...\(classes - 1)",
                hint: "shard images with one folder per class")
        }
    }

    package subscript(sample: Int) -> UnsafeMutablePointer<Float> { values + sample * dim }

    /// Threads work on a fixed number of strips of samples, so that sums do not depend on the number of threads.
    static let stripCount = 8

    func strip(_ index: Int) -> Range<Int> {
        count * index / Self.stripCount..<count * (index + 1) / Self.stripCount
    }

    package func subset(_ chosen: [Int], in memory: inout Arena) throws -> LabelledFeatures {
        let part = try LabelledFeatures(
            labels: chosen.map { labels[$0] }, dim: dim, classes: classes, name: "the chosen part", in: &memory)
        for (row, sample) in chosen.enumerated() { part[row].update(from: self[sample], count: dim) }
        return part
    }
}

/// Standardises each feature, x -> (x - mean) / standard deviation. Constant features become 0.
package struct Standardisation {
    private let means: [Float]
    private let scales: [Float]

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

    package func apply(to features: LabelledFeatures) {
        for sample in 0..<features.count {
            let row = features[sample]
            for feature in 0..<features.dim { row[feature] = (row[feature] - means[feature]) * scales[feature] }
        }
    }
}
