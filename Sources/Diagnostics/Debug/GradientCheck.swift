import CrateModel
import Kernels

/// Compares the gradient of one parameter with finite differences of the loss.
package struct GradientCheck: Sendable {
    package let name: String
    /// The number of directions tried, and of those that change the loss by enough to be judged in fp32.
    package private(set) var tried = 0, judged = 0
    /// The largest relative error of the judged directions.
    package private(set) var worstError = 0.0

    /// The largest error that passes. Differences in fp32 are accurate to about 1%: the loss is rounded to 1e-7 of
    /// itself, and a step long enough for that crosses thresholds of ISTA, where the loss has kinks.
    package static let tolerance = 0.05

    package var passes: Bool { worstError <= Self.tolerance }

    init(name: String) { self.name = name }

    mutating func note(_ error: Double?) {
        tried += 1
        guard let error else { return }
        judged += 1
        worstError = max(worstError, error.isFinite ? error : .infinity)
    }
}

extension DebugSession {
    /// Computes the gradients in fp32, whatever the precision of the configuration.
    package borrowing func computeExactGradients() throws {
        let exact = try exactReplica()
        _ = exact.computeGradients(batch, terms: terms)
        replica.gradients.pointer.update(from: exact.gradients.pointer, count: replica.gradients.count)
    }

    /// A replica in fp32 with the session's parameters.
    private borrowing func exactReplica() throws -> Replica {
        let exact = try Replica(
            replica.model, images: images, visible: configuration.visiblePatches, precision: .fp32, team: replica.team,
            isTrained: true)
        exact.parameters.pointer.update(from: replica.parameters.pointer, count: exact.parameters.count)
        return exact
    }

    /// Compares the session's gradients of every parameter with central differences of the loss, always in fp32: along
    /// the gradient itself, and in the entry of the largest gradient of each third of the tensor.
    package borrowing func checkGradients(_ done: (GradientCheck) -> Void = { _ in }) throws -> [GradientCheck] {
        let exact = try exactReplica()
        let base = loss(exact)
        return replica.model.layout.parameters.map { parameter in
            var check = GradientCheck(name: parameter.name)
            let values = exact.parameters.pointer + parameter.offset
            let gradients = replica.gradients.pointer + parameter.offset
            let count = parameter.count
            let length = sumOfSquares(values, count: count).squareRoot()
            let norm = sumOfSquares(gradients, count: count).squareRoot()
            var directions: [(slope: Double, along: [Double], entry: Int, step: Double)] = []
            if norm > 0 {
                let direction = (0..<count).map { Double(gradients[$0]) / norm }
                directions.append((norm, direction, 0, 0.01 * max(length, 0.1)))
            }
            let typical = max(0.05, length / Double(count).squareRoot())
            for third in 0..<min(3, count) {
                let entries = third * count / 3..<(third + 1) * count / 3
                guard let entry = entries.max(by: { abs(gradients[$0]) < abs(gradients[$1]) }) else { continue }
                directions.append((Double(gradients[entry]), [1], entry, 0.05 * typical))
            }
            for (slope, direction, entry, step) in directions {
                check.note(error(of: slope, along: direction, at: values + entry, step: step, base, exact))
            }
            done(check)
            return check
        }
    }

    /// The relative error of `slope`, the derivative of the loss along `direction`; nil if the loss hardly changes, or changes in another
    /// way at each length. The smallest over three step lengths: long ones suffer from curvature, short ones from rounding.
    ///
    /// Where none of them gives the slope, as for a small token in front of a norm, or near thresholds of ISTA, shorter ones are taken, down to
    /// where the change of the loss is below the bound of its rounding, of which most cancels. The last two have to agree.
    private func error(
        of slope: Double, along direction: [Double], at values: UnsafeMutablePointer<Float>, step: Double,
        _ base: Double, _ exact: borrowing Replica
    ) -> Double? {
        let before = copied(values, direction.count)
        func loss(_ length: Double) -> Double {
            for (index, part) in direction.enumerated() { values[index] = Float(Double(before[index]) + length * part) }
            defer { for (index, value) in before.enumerated() { values[index] = value } }
            exact.parametersChanged()
            return self.loss(exact)
        }
        func difference(_ length: Double) -> Double { (loss(length) - loss(-length)) / (2 * length) }
        func relativeError(_ difference: Double) -> Double {
            let error = abs(difference - slope) / max(abs(slope), abs(difference))
            return error.isNaN ? .infinity : error
        }
        // Approximate rounding error of the loss.
        let noise = 2e-7 * abs(base)
        /// Whether the larger of the two slopes exceeds the noise by `factor`.
        func exceedsNoise(_ difference: Double, _ length: Double, by factor: Double) -> Bool {
            max(abs(slope), abs(difference)) * 2 * length > factor * noise
        }
        var (least, last): (Double?, Double?)
        var length = step
        for _ in 0..<3 {
            let difference = difference(length)
            defer { length /= 4 }
            last = difference
            guard exceedsNoise(difference, length, by: 100) else { continue }
            least = min(least ?? .infinity, relativeError(difference))
            if let least, least <= GradientCheck.tolerance / 5 { return least }
        }
        guard let least, least > GradientCheck.tolerance, least.isFinite, var last else { return least }
        var change = Double.infinity
        while exceedsNoise(last, length, by: 1) {
            let shorter = difference(length)
            change = abs(shorter - last) / max(abs(shorter), abs(last))
            last = shorter
            length /= 4
        }
        return change <= GradientCheck.tolerance / 2 ? min(least, relativeError(last)) : nil
    }
}
