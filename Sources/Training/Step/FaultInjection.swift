import Foundation

/// A fault injected on purpose, to test how a run detects it: CRATE_INJECT_FAULT=KIND:RANK:STEP in the environment, where KIND
/// is `flip` (one bit of a parameter) or `nan` (a gradient), and steps count from 1.
package struct FaultInjection {
    package enum Kind: String { case flip, nan }

    private let kind: Kind
    private let rank, step: Int

    /// Nil if no fault is requested.
    package init?(_ text: String? = ProcessInfo.processInfo.environment["CRATE_INJECT_FAULT"]) {
        let parts = (text ?? "").split(separator: ":").map(String.init)
        guard parts.count == 3, let kind = Kind(rawValue: parts[0]), let rank = Int(parts[1]), let step = Int(parts[2])
        else { return nil }
        self.kind = kind
        self.rank = rank
        self.step = step
    }

    /// Corrupts `value` if the fault is of `kind`, on `rank` and at `step` (which counts from 0).
    package func apply(to value: UnsafeMutablePointer<Float>, _ kind: Kind, rank: Int, step: Int) {
        guard (kind, rank, step + 1) == (self.kind, self.rank, self.step) else { return }
        value.pointee = kind == .nan ? .nan : Float(bitPattern: value.pointee.bitPattern ^ 1 << 20)
    }
}
