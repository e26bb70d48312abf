import Base
import Foundation
import Synchronization

/// A failure on purpose, to test what a run does with it: CRATE_INJECT_FAULT=agree:RANK:NUMBER in the environment makes the
/// NUMBER-th work fail that rank RANK does in `World.agree`, counted from 1.
enum InjectedFailure {
    private static let place: (rank: Int, number: Int)? = {
        let parts = (ProcessInfo.processInfo.environment["CRATE_INJECT_FAULT"] ?? "").split(separator: ":")
        guard parts.count == 3, parts[0] == "agree", let rank = Int(parts[1]), let number = Int(parts[2]) else {
            return nil
        }
        return (rank, number)
    }()
    private static let count = Atomic<Int>(0)

    static func check(rank: Int) throws {
        guard let place, place.rank == rank,
            count.wrappingAdd(1, ordering: .relaxed).newValue == place.number
        else { return }
        throw Failure("failure \(place.number) was injected", hint: "unset CRATE_INJECT_FAULT")
    }
}
