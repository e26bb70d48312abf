import Base

/// What a classifier on frozen features comes to.
package struct ProbeResult: Codable, Equatable, Sendable {
    /// The linear classifier's accuracy on the validation samples.
    package let linear: Accuracy
    /// That on the training samples.
    package let training: Accuracy
    /// The weight decay that was best on a tenth of the training samples.
    package let decay: Double
    /// The accuracy of k-nearest neighbours on the validation samples, where asked for.
    package let neighbours: Accuracy?
}

/// Solves a linear classifier on frozen features: standardised by the training samples, a `SoftmaxRegression` whose decay is the
/// best of some on a tenth of them, solved anew on all of them.
package struct LinearProbe: Sendable {
    /// Weight decays to choose from, the largest first.
    private static let decays = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
    /// Neighbours that vote; nil leaves them out.
    private let neighbours: Int?

    /// A probe with `neighbours` votes.
    package init(neighbours: Int? = 20) { self.neighbours = neighbours }

    /// Probes `training` and `validation`, which are standardised in place.
    package func solve(
        _ training: LabelledFeatures, _ validation: LabelledFeatures, team: ThreadTeam
    ) throws -> ProbeResult {
        guard training.count >= 10 else {
            throw Failure("\(training.count) training samples are too few", hint: "give ten or more")
        }
        let near = try neighbours.map {
            try NearestNeighbours(neighbours: $0).accuracy(on: validation, training: training, team: team)
        }
        let standardisation = Standardisation(of: training)
        standardisation.apply(to: training)
        standardisation.apply(to: validation)
        let decay = try bestDecay(training, team)
        let regression = try SoftmaxRegression(training, decay: decay, team: team)
        return ProbeResult(
            linear: try regression.accuracy(on: validation), training: try regression.accuracy(on: training),
            decay: decay, neighbours: near)
    }

    private func bestDecay(_ features: LabelledFeatures, _ team: ThreadTeam) throws -> Double {
        // Every tenth of a random order, since shards may be sorted by class.
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
