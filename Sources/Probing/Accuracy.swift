/// How many of a number of samples were classified rightly.
package struct Accuracy: Codable, Equatable, Sendable {
    /// Right ones.
    package let correct: Int
    /// All.
    package let total: Int

    /// The fraction that is right.
    package var fraction: Double { Double(correct) / Double(total) }

    /// Wilson's score interval at 95%, with z = 1.96 and the fraction f of n samples:
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

    /// `correct` of `total`, which is above 0.
    package init(correct: Int, total: Int) {
        self.correct = correct
        self.total = total
    }
}
