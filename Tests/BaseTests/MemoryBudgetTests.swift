import Base
import Foundation
import Synchronization
import Testing

@Suite struct MemoryBudgetTests {
    @Test func whatNeverFitsIsRefused() throws {
        let budget = MemoryBudget { 160 << 20 }
        let failure = #expect(throws: Failure.self) { try budget.take(161 << 20) }
        #expect(failure?.problem == "it needs 161 MiB of memory and 160 are free")
        try budget.take(160 << 20)
        budget.giveBack(160 << 20)
        try budget.take(160 << 20)
        try MemoryBudget { nil }.take(1 << 48)
    }

    /// A second thread asks what is free, waits, and goes on only when the first has given back.
    @Test func othersAreWaitedFor() throws {
        let hasAsked = DispatchSemaphore(value: 0)
        let isDone = DispatchSemaphore(value: 0)
        let events = Mutex<[String]>([])
        let budget = MemoryBudget {
            hasAsked.signal()
            return 160
        }
        try budget.take(100)
        for _ in 0..<2 { hasAsked.wait() }
        Thread.detachNewThread {
            try? budget.take(100)
            events.withLock { $0.append("second takes") }
            budget.giveBack(100)
            isDone.signal()
        }
        hasAsked.wait()
        for _ in 0..<1000 { sched_yield() }
        events.withLock { $0.append("first gives back") }
        budget.giveBack(100)
        isDone.wait()
        #expect(events.withLock { $0 } == ["first gives back", "second takes"])
        try budget.take(160)
    }
}
