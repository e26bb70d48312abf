import Foundation
import Kernels

/// The parts of a training step that are timed separately.
package enum StepPart: Int, CaseIterable, Codable, Sendable {
    /// Patches to tokens.
    case embedding
    /// The encoder's attention, whatever its kind, including its norm.
    case mssa
    /// The other half of the encoder's blocks, sparse coding or a perceptron, including its norm and the derivation of its maps.
    case ista
    /// The decoder's blocks and the norm before them.
    case decoder
    /// The prediction of the patches, and the loss.
    case loss
    /// Waiting for samples.
    case data
    /// Summing over the ranks, including waiting.
    case reduction
    /// Clipping and the update.
    case optimizer
}

package struct StepSeconds: BitwiseCopyable, Sendable {
    private var values = SIMD8<Double>()

    package init() {}

    package subscript(part: StepPart) -> Double {
        get { values[part.rawValue] }
        set { values[part.rawValue] = newValue }
    }

    package var total: Double { values.sum() }

    /// Without data, reduction and optimizer.
    package var passes: Double { total - self[.data] - self[.reduction] - self[.optimizer] }

    package static func += (sum: inout StepSeconds, other: StepSeconds) { sum.values += other.values }
}

/// Splits the time of the first thread into parts, without gaps: the time since the last call belongs to the part that
/// is named next. Waiting for other threads counts towards the part in which it happens.
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

    /// Discards the time before this call; what follows counts towards the next part named by `lap`.
    package func restart() { state.pointee = State(last: DispatchTime.now().uptimeNanoseconds) }

    /// Counts the time since the last call towards `part`.
    package func lap(_ part: StepPart) {
        let time = DispatchTime.now().uptimeNanoseconds
        state.pointee.seconds[part] += Double(time - state.pointee.last) * 1e-9
        state.pointee.last = time
    }

    package var seconds: StepSeconds { state.pointee.seconds }
}
