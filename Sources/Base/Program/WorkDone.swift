import Synchronization

/// How much this process has done, in units without a meaning of their own: reads, writes, transfers, micro-batches. Whoever wants to
/// know whether it is alive looks whether the number changes.
package enum WorkDone {
    private static let counter = Atomic<Int>(0)

    package static var count: Int { counter.load(ordering: .relaxed) }

    package static func add() { counter.wrappingAdd(1, ordering: .relaxed) }
}
