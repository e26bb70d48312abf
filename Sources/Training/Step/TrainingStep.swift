import Base
import CrateModel
import Kernels
import Loader
import Optimizers

/// The result of a step, the same on all ranks except for the seconds.
package struct StepResult {
    /// Mean over the global batch.
    package let loss: Double
    /// Global norm before clipping.
    package let gradientNorm: Double
    /// Whether nothing was updated because loss or gradients were not finite.
    package let isSkipped: Bool
    /// Requests of any rank.
    package let requests: StepReport.Requests
    /// The rank that worked longest, with its seconds of reading, computing and waiting; nil with one rank.
    package let slowest: (rank: Int, data: Double, compute: Double, wait: Double)?
    /// Substituted samples of the global batch.
    package let substituted: Int
    /// Those of this rank.
    package let substitutions: [Substitution]
    /// Of this rank.
    package let seconds: StepSeconds
}

extension Trainer {
    /// Starts reading ahead from step `step`; `trainStep` then takes the steps in order.
    package func begin(at step: Int) {
        loader.begin(configuration.batches(from: step, rank: world.rank, ranks: world.size), for: .training)
    }

    /// One optimiser step: forward and backward passes over this rank's micro-batches, the sum of the gradients over all ranks, which
    /// overlaps the last backward pass, clipping, the update of this rank's parts, and the gathering of all parts.
    /// Collective: all ranks do the step, or all throw and no parameter has changed; then a `SuspectState` says that the parameters were
    /// not sound before. `requests` is called after the passes.
    package mutating func trainStep(
        _ step: Int, requests: () -> StepReport.Requests = { StepReport.Requests() }
    ) throws -> StepResult {
        let clock = replica.clock
        let (parameters, count) = (replica.parameters.pointer, replica.parameters.count)
        let isChecking = world.size > 1 && checkEvery > 0 && (step + 1) % checkEvery == 0
        clock.restart()
        report.clear()
        substitutions.removeAll(keepingCapacity: true)
        if isChecking { report[world.rank, .before] = Double(fingerprint(parameters, count: count)) }
        fault?.apply(to: parameters, .flip, rank: world.rank, step: step)

        // ---- this rank's share of the batch; the exchange begins inside the last backward pass ----
        let failure = computeGradients(step)
        let isFinite = exchange.finishReduction()
        clock.lap(.reduction)

        // ---- what all ranks must know ----
        optimizer.sumSquares(
            of: replica.gradients.pointer, into: report.squares.baseAddress!, on: replica.team)
        if isChecking { report[world.rank, .after] = Double(fingerprint(parameters, count: count)) }
        clock.lap(.optimizer)
        report[world.rank, .failed] = failure == nil ? 0 : 1
        let ownLoss = report.losses.reduce(0, +)
        report[world.rank, .notFinite] = isFinite && ownLoss.isFinite ? 0 : 1
        report[world.rank, .substituted] = Double(substitutions.count)
        report.set(requests(), rank: world.rank)
        report[world.rank, .dataSeconds] = clock.seconds[.data]
        report[world.rank, .computeSeconds] = clock.seconds.passes + clock.seconds[.optimizer]
        report[world.rank, .waitSeconds] = clock.seconds[.reduction]
        world.sum(report.values.elements)
        clock.lap(.reduction)
        if report.any(.failed) { try world.share(failure) }
        if isChecking { try report.requireEqualParameters(step: step) }
        let loss = report.losses.reduce(0, +) / (Double(configuration.batchSize) * Double(loader.lossTerms))
        let norm = report.squares.reduce(0, +).squareRoot()
        let isUsable = loss.isFinite && norm.isFinite && !report.any(.notFinite)
        if !isUsable && onNonFinite == .stop { throw SuspectState(notFinite(step, loss, norm)) }

        // ---- update ----
        world.watchdog.begin(.updating, step: step + 1)
        let scale = Optimizer.gradientScale(norm: norm, clip: configuration.clip)
        for part in optimizer.parts.indices {
            if isUsable {
                optimizer.update(
                    part: part, of: replica, step: step, rate: configuration.schedule.rate(at: step), scale: scale)
            }
            exchange.publish()
        }
        clock.lap(.optimizer)
        exchange.finishGather()
        replica.parametersChanged()
        clock.lap(.reduction)
        let slowest = report.slowestRank
        return StepResult(
            loss: loss, gradientNorm: norm, isSkipped: !isUsable, requests: report.requests,
            slowest: world.size == 1
                ? nil
                : (
                    slowest, report[slowest, .dataSeconds], report[slowest, .computeSeconds],
                    report[slowest, .waitSeconds]
                ), substituted: Int(report.sum(.substituted)), substitutions: substitutions, seconds: clock.seconds)
    }

    /// Names the ranks with values that are not finite.
    private func notFinite(_ step: Int, _ loss: Double, _ norm: Double) -> Failure {
        let origin = report.any(.notFinite) ? " from \(report.ranks(with: .notFinite))" : ""
        return Failure(
            "step \(step + 1) has loss \(loss) and gradient norm \(norm)\(origin)",
            hint:
                "go on from the last checkpoint with --resume and --on-non-finite skip, or begin a new --run with a lower --lr"
        )
    }

    /// Hands this rank's gradients to the exchange, and its losses to the report. A rank that fails still takes part in the exchange, so the
    /// others do not wait.
    private mutating func computeGradients(_ step: Int) -> Failure? {
        let (exchange, watchdog) = (exchange, world.watchdog)
        let ownRanks = configuration.virtualRanks / world.size
        let last = (world.rank + 1) * ownRanks - 1
        watchdog.setBusy(true)
        defer {
            exchange.complete(from: 0)
            watchdog.setBusy(false)
        }
        do {
            for virtualRank in last - ownRanks + 1..<last {
                try computeLeaf(step, virtualRank, ready: { _ in })
                exchange.add()
                replica.clock.lap(.reduction)
            }
            let (fault, rank, gradients) = (fault, world.rank, replica.gradients.pointer)
            try computeLeaf(step, last) { position in
                if position == 0 { fault?.apply(to: gradients, .nan, rank: rank, step: step) }
                exchange.complete(from: position)
            }
            return nil
        } catch {
            return Failure(from: error)
        }
    }

    /// Gradients and loss of one virtual rank. Calls `ready` as `completeBackward` does.
    private mutating func computeLeaf(_ step: Int, _ virtualRank: Int, ready: (Int) -> Void) throws {
        let (images, share) = (configuration.microBatch, configuration.batchSize / configuration.virtualRanks)
        let gradientScale = 1 / (Double(configuration.batchSize) * Double(loader.lossTerms))
        replica.clearGradients()
        let first = step * configuration.batchSize + virtualRank * share
        for position in stride(from: first, to: first + share, by: images) {
            world.watchdog.begin(.reading, step: step + 1)
            guard let loaded = try loader.next(), loaded.positions.lowerBound == position else {
                throw Failure("the loader is not at position \(position)", hint: "this is a mistake of the program")
            }
            substitutions += loaded.substitutions
            replica.clock.lap(.data)
            world.watchdog.begin(.computing, step: step + 1)
            let drops = stochasticDepth?.draw(loaded.positions)
            let batch = replica.model.batch(loaded, drops: drops)
            replica.forward(batch)
            replica.loss(batch, gradientScale: Float(gradientScale))
            WorkDone.add()
            // Not `+=`, which crashes Swift 6.3.1 under the thread sanitiser.
            report.losses[virtualRank] = replica.imageLosses.prefix(images).reduce(report.losses[virtualRank], +)
            if position + images < first + share {
                replica.backward(batch)
            } else {
                replica.completeBackward(batch, ready: ready)
            }
        }
    }
}
