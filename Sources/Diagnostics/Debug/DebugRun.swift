import Base
import CrateModel
import Foundation
import Kernels
import Optimizers
import Training

/// Examines a run of `configuration` in one process and reports what it finds: values that are not finite, gradients
/// compared with finite differences, whether the loss falls when training on one batch repeatedly, and the time of each
/// part of a step.
///
/// `checkpoint` nil uses initial parameters. Corrupt tensors are written to `dump`. Throws `Failure` with the first
/// problem once all checks that are possible have run.
package func debugRun(
    _ configuration: TrainingConfiguration, data: String, checkpoint: String?, threads: Int,
    products: ProductBackend, dump: String,
    say: (String) -> Void
) throws {
    let session = try DebugSession(
        configuration, data: data, checkpoint: checkpoint, threads: threads, products: products)
    let (shape, layout) = (configuration.model, session.replica.model.layout)
    say(
        "\(layout.parameterCount) parameters (width \(shape.dim), depth \(shape.depth) + \(shape.decoderDepth), "
            + "\(counted(shape.heads, "head"))), \(counted(session.images, "image")) of \(shape.imageSize) pixels in patches of \(shape.patchSize), "
            + "\(configuration.precision.rawValue), \(counted(threads, "thread"))")
    say(checkpoint.map { "parameters of \($0)" } ?? "initial parameters, seed \(configuration.seed)")

    say("")
    say("1. values")
    try requireFinite(session.findBadValue(), dump)
    let loss = session.computeGradients()
    try requireFinite(session.findBadGradient(), dump)
    let tensors = session.replica.tensors(images: session.images).count
    say("   batch, \(layout.parameters.count) parameters, \(tensors) outputs of layers and all gradients are finite")
    let bits = fingerprint(session.replica.gradients.pointer, count: layout.bufferCount)
    let again = session.computeGradients()
    let isRepeatable =
        again == loss && bits == fingerprint(session.replica.gradients.pointer, count: layout.bufferCount)
    var problems: [Failure] = []
    func note(_ problem: String, hint: String) { problems.append(Failure(problem, hint: hint)) }
    if isRepeatable {
        say("   a second pass gives the same bits, loss \(formatted(loss))")
    } else {
        note("a second pass over the same batch gives different bits", hint: "test the memory of this machine")
    }

    say("")
    say(
        "2. gradients against differences of the loss (worst relative error, judged of tried; \(GradientCheck.tolerance) passes)"
    )
    try session.computeExactGradients()
    let checks = try session.checkGradients { check in
        say(
            String(format: "   %.1e  %d of %d  ", check.worstError, check.judged, check.tried) + check.name
                + (check.passes ? "" : "  WRONG"))
    }
    if let wrong = checks.first(where: { !$0.passes }) {
        note(
            "the gradient of \(wrong.name) is off by \(String(format: "%.2g", wrong.worstError)) of itself",
            hint: "look for a bug in the backward pass of its layer")
    }

    say("")
    say("3. training on one batch repeatedly, learning rate \(String(format: "%.2e", configuration.schedule.peak))")
    let fit = try overfit(session, dump, say)
    if fit.last > 0.98 * fit.first {
        note(
            "the loss of a repeated batch goes from \(formatted(fit.first)) to \(formatted(fit.last))",
            hint: "try another --lr, and check that --clip is on")
    }
    tellSeconds(fit.seconds, say)
    for problem in problems { say("wrong: \(problem)") }
    if let first = problems.first { throw first }
    say("")
    say("nothing is wrong")
}

private let overfitSteps = 30

private func overfit(
    _ session: borrowing DebugSession, _ dump: String, _ say: (String) -> Void
) throws -> (first: Double, last: Double, seconds: StepSeconds) {
    let (clock, gradients, fault) = (session.replica.clock, session.replica.gradients.pointer, FaultInjection())
    let count = session.replica.gradients.count
    var (first, last, seconds) = (0.0, 0.0, StepSeconds())
    say("   step  loss      gradient norm  seconds")
    for step in 0..<overfitSteps {
        try requireFinite(session.findBadValue(), dump)
        clock.restart()
        last = session.computeGradients()
        fault?.apply(to: gradients, .nan, rank: 0, step: step)
        try requireFinite(session.findBadGradient(), dump)
        if step == 0 { first = last }
        let norm = sumOfSquares(gradients, count: count).squareRoot()
        var (stepSeconds, watch) = (clock.seconds, Stopwatch())
        session.optimizer.update(
            part: 0, of: session.replica, step: step, rate: session.configuration.schedule.peak,
            scale: Optimizer.gradientScale(norm: norm, clip: session.configuration.clip))
        stepSeconds[.optimizer] = watch.lap()
        seconds += stepSeconds
        say(String(format: "   %4d  %.6f  %13.4f  %.4f", step + 1, last, norm, stepSeconds.total))
    }
    return (first, last, seconds)
}

private func tellSeconds(_ seconds: StepSeconds, _ say: (String) -> Void) {
    say("")
    say("4. where the time of a step goes")
    for part in StepPart.allCases where seconds[part] > 0 {
        say(
            String(
                format: "   %8.3f ms  %5.1f%%  ", 1e3 * seconds[part] / Double(overfitSteps),
                100 * seconds[part] / seconds.total) + "\(part)")
    }
}

private func requireFinite(_ bad: BadTensor?, _ directory: String) throws {
    guard let bad else { return }
    let path = try bad.dump(to: directory)
    throw Failure(bad.text, hint: "it is in \(path), together with its input if known")
}
