import Buffers
import Foundation

/// The parts of a pass whose time is told apart.
public enum PassPart: Int, CaseIterable, Codable, Sendable {
    /// Patches to tokens.
    case embedding
    /// The encoder's subspace attention, its norm included.
    case mssa
    /// The encoder's sparse coding, its norm included.
    case ista
    /// The decoder's blocks and the norm before them.
    case decoder
    /// The prediction of the patches, and the loss.
    case loss
}

/// Adds up where the first thread spends its time. What it waits for the other threads counts for the part it waits in.
struct PartClock {
    private let seconds: UnsafeMutablePointer<Double>  // one a part, and the time of the last call behind them

    static let count = PassPart.allCases.count + 1

    init(_ seconds: UnsafeMutablePointer<Double>) {
        self.seconds = seconds
    }

    private func now() -> Double {
        Double(DispatchTime.now().uptimeNanoseconds) * 1e-9
    }

    /// What follows counts for the next part that `finish` names.
    func start() { seconds[Self.count - 1] = now() }

    /// All time since the last call was spent on `part`.
    func finish(_ part: PassPart) {
        let time = now()
        seconds[part.rawValue] += time - seconds[Self.count - 1]
        seconds[Self.count - 1] = time
    }
}
