import Foundation

/// A fault that is made on purpose, so that alarms are heard before they are needed: CRATE_REHEARSE=KIND:RANK:STEP in the
/// environment, where KIND is `flip` (a bit of a parameter) or `nan` (a gradient) and steps count from 1.
struct Rehearsal {
    enum Kind: String { case flip, nan }

    private let kind: Kind
    private let rank, step: Int

    /// Nil where nothing is to be rehearsed.
    init?(_ text: String? = ProcessInfo.processInfo.environment["CRATE_REHEARSE"]) {
        let parts = (text ?? "").split(separator: ":").map(String.init)
        guard parts.count == 3, let kind = Kind(rawValue: parts[0]), let rank = Int(parts[1]), let step = Int(parts[2])
        else { return nil }
        self.kind = kind
        self.rank = rank
        self.step = step
    }

    /// Damages `value` where it is the time of `kind`.
    func damage(_ value: UnsafeMutablePointer<Float>, _ kind: Kind, rank: Int, step: Int) {
        guard (kind, rank, step + 1) == (self.kind, self.rank, self.step) else { return }
        value.pointee = kind == .nan ? .nan : Float(bitPattern: value.pointee.bitPattern ^ 1 << 20)
    }
}
