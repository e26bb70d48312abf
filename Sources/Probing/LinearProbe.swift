import Base

package struct Accuracy: Codable, Equatable, Sendable {
    package let correct: Int
    package let total: Int

    package var fraction: Double { Double(correct) / Double(total) }

    /// The 95% Wilson score interval, with z = 1.96 and the fraction f of n samples:
    ///
    ///     (f + z^2 / 2n +- z sqrt(f (1 - f) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    ///
    /// Source: Wilson, Probable inference, the law of succession, and statistical inference (1927).
    package var interval: ClosedRange<Double> {
        let (z, n) = (1.959964, Double(total))
        let centre = fraction + z * z / (2 * n)
        let spread = z * (fraction * (1 - fraction) / n + z * z / (4 * n * n)).squareRoot()
        return max(0, (centre - spread) / (1 + z * z / n))...min(1, (centre + spread) / (1 + z * z / n))
    }

    /// `total` must be positive.
    package init(correct: Int, total: Int) {
        self.correct = correct
        self.total = total
    }
}

package struct ProbeResult: Codable, Equatable, Sendable {
    /// The accuracy of the linear probe on the validation samples.
    package let linear: Accuracy
    /// The accuracy of the linear probe on the training samples.
    package let training: Accuracy
    /// The weight decay that was selected on a held-out tenth of the training samples.
    package let decay: Double
    /// The k-nearest-neighbour accuracy on the validation samples, or nil if it was not requested.
    package let neighbours: Accuracy?
}

/// A `SoftmaxRegression` on frozen features, standardised with the statistics of the training samples. The weight decay
/// is selected on a held-out tenth of the training samples, and the final fit uses all of them.
package struct LinearProbe: Sendable {
    /// In decreasing order, since each fit starts from the previous one.
    private static let decays = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
    /// k of the k-nearest-neighbour classifier; nil skips it.
    private let neighbours: Int?

    package init(neighbours: Int? = 20) { self.neighbours = neighbours }

    /// Standardises `training` and `validation` in place. Throws `Failure` for fewer than ten training samples.
    package func solve(
        _ training: LabelledFeatures, _ validation: LabelledFeatures, team: ThreadTeam
    ) throws -> ProbeResult {
        guard training.count >= 10 else {
            throw Failure("\(training.count) training samples are too few", hint: "use at least ten")
        }
        let nearest = try neighbours.map {
            try NearestNeighbours(neighbours: $0).accuracy(on: validation, training: training, team: team)
        }
        let standardisation = Standardisation(of: training)
        standardisation.apply(to: training)
        standardisation.apply(to: validation)
        let decay = try bestDecay(training, team)
        let regression = try SoftmaxRegression(training, decay: decay, team: team)
        return ProbeResult(
            linear: try regression.accuracy(on: validation), training: try regression.accuracy(on: training),
            decay: decay, neighbours: nearest)
    }

    private func bestDecay(_ features: LabelledFeatures, _ team: ThreadTeam) throws -> Double {
        // Hold out every tenth sample of a random order, because shards may be sorted by class.
        let order = KeyedPermutation(count: features.count, seed: 0, epoch: 0)
        let positions = (0..<features.count).map { ($0, order[$0]) }
        var memory = Arena()
        let fitted = try features.subset(positions.filter { $0.1 % 10 != 0 }.map(\.0), in: &memory)
        let held = try features.subset(positions.filter { $0.1 % 10 == 0 }.map(\.0), in: &memory)
        var best: (decay: Double, correct: Int)?
        var last: SoftmaxRegression?
        for decay in Self.decays {
            let regression = try SoftmaxRegression(fitted, decay: decay, start: last, team: team)
            let correct = try regression.accuracy(on: held).correct
            if correct > best?.correct ?? -1 { best = (decay, correct) }
            last = regression
        }
        return best?.decay ?? Self.decays[0]
    }
}
