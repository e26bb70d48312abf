import Foundation
import Kernels

/// The parts of a training step whose time is told apart.
package enum StepPart: Int, CaseIterable, Codable, Sendable {
    /// Patches to tokens.
    case embedding
    /// The encoder's subspace attention, its norm included.
    case mssa
    /// The encoder's sparse coding, its norm included, and the maps it is computed with.
    case ista
    /// The decoder's blocks and the norm before them.
    case decoder
    /// The prediction of the patches, and the loss.
    case loss
    /// Waiting for samples.
    case data
    /// Summing over the ranks, waiting included.
    case reduction
    /// Clipping and the update.
    case optimizer
}

/// Seconds by part.
package struct StepSeconds: BitwiseCopyable, Sendable {
    private var values = SIMD8<Double>()

    /// No time.
    package init() {}

    /// The seconds of `part`.
    package subscript(part: StepPart) -> Double {
        get { values[part.rawValue] }
        set { values[part.rawValue] = newValue }
    }

    /// The seconds of all parts.
    package var total: Double { values.sum() }

    /// The seconds of the model's passes.
    package var passes: Double { total - self[.data] - self[.reduction] - self[.optimizer] }

    /// Adds `other`'s seconds, part by part.
    package static func += (sum: inout StepSeconds, other: StepSeconds) { sum.values += other.values }
}

/// Divides the time of the first thread into parts, without a gap: all time since the last call belongs to the part that
/// is named next. What the thread waits for others counts for the part in which it waits.
package struct StepClock: @unchecked Sendable {
    struct State: BitwiseCopyable {
        var seconds = StepSeconds()
        var last: UInt64 = 0
    }

    private let state: UnsafeMutablePointer<State>

    init(_ state: UnsafeMutablePointer<State>) {
        self.state = state
        restart()
    }

    /// What follows counts for the next part that `lap` names, and nothing of what was before.
    package func restart() { state.pointee = State(last: DispatchTime.now().uptimeNanoseconds) }

    /// All time since the last call was spent on `part`.
    package func lap(_ part: StepPart) {
        let time = DispatchTime.now().uptimeNanoseconds
        state.pointee.seconds[part] += Double(time - state.pointee.last) * 1e-9
        state.pointee.last = time
    }

    /// What has been counted since the last `restart`.
    package var seconds: StepSeconds { state.pointee.seconds }
}
