import Base

/// A division of samples into training and validation, by class. Samples of one group stay together.
///
/// It is a function of the groups, their samples' classes and the seed; the order of the samples has no influence.
struct Stratification {
    /// Whether each sample is in the validation part.
    private(set) var isValidation: [Bool]
    /// Samples by class, those without a class last.
    let totals: [Int]
    /// Of these, in the validation part.
    private(set) var validation: [Int]

    private let labels: [Int]
    /// How many samples of each class the validation part should have.
    private let wanted: [Int]
    /// The samples, those of a group in a row.
    private let order: [Int]

    /// Divides samples with the classes `labels` (-1 for none) of `classCount`, so that `fraction` of each class are for validation, rounded
    /// to at least one for each part; of a class of one sample, none.
    init(labels: [Int], groups: [ExactName], classCount: Int, fraction: Double, seed: UInt64) {
        let strata = labels.map { $0 < 0 ? classCount : $0 }
        var totals = [Int](repeating: 0, count: classCount + 1)
        for stratum in strata { totals[stratum] += 1 }
        let hashes = groups.map { Self.hash($0, seed) }
        self.labels = strata
        self.totals = totals
        wanted = totals.map { $0 < 2 ? 0 : min(max(Int((fraction * Double($0)).rounded()), 1), $0 - 1) }
        order = strata.indices.sorted {
            hashes[$0] != hashes[$1] ? hashes[$0] < hashes[$1] : groups[$0] < groups[$1]
        }
        isValidation = Array(repeating: false, count: labels.count)
        validation = Array(repeating: 0, count: classCount + 1)
        choose(among: Self.runs(order, groups))
    }

    /// Takes groups in the order of their hashes as long as they bring the classes nearer to what is wanted; then, for each class that has got
    /// none, the smallest group that has some of it.
    private mutating func choose(among runs: [Range<Int>]) {
        var left: [Range<Int>] = []
        for run in runs {
            let counts = self.counts(of: run)
            let gain = counts.reduce(0) { sum, count in
                let missing = wanted[count.key] - validation[count.key]
                return sum + abs(missing) - abs(missing - count.value)
            }
            if gain > 0, leavesTraining(counts) { take(run, counts) } else { left.append(run) }
        }
        for stratum in totals.indices where totals[stratum] > 1 && validation[stratum] == 0 {
            let fitting = left.filter { run in
                let counts = self.counts(of: run)
                return counts[stratum] != nil && leavesTraining(counts)
            }
            // The first of the smallest, so that the result is a function of the hashes.
            guard let run = fitting.min(by: { $0.count < $1.count }) else { continue }
            take(run, counts(of: run))
        }
    }

    private mutating func take(_ run: Range<Int>, _ counts: [Int: Int]) {
        for place in run { isValidation[order[place]] = true }
        for (stratum, count) in counts { validation[stratum] += count }
    }

    /// Whether training keeps some of each class of more than one sample.
    private func leavesTraining(_ counts: [Int: Int]) -> Bool {
        counts.allSatisfy { totals[$0.key] == 1 || validation[$0.key] + $0.value < totals[$0.key] }
    }

    private func counts(of run: Range<Int>) -> [Int: Int] {
        run.reduce(into: [:]) { $0[labels[order[$1]], default: 0] += 1 }
    }

    private static func runs(_ order: [Int], _ groups: [ExactName]) -> [Range<Int>] {
        var (runs, start) = ([Range<Int>](), 0)
        for place in order.indices where place + 1 == order.count || groups[order[place]] != groups[order[place + 1]] {
            runs.append(start..<place + 1)
            start = place + 1
        }
        return runs
    }

    private static func hash(_ name: ExactName, _ seed: UInt64) -> UInt64 {
        name.text.utf8.reduce(KeyedGenerator.mixed(seed)) { KeyedGenerator.mixed($0 ^ UInt64($1)) }
    }
}
