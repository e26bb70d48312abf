import Foundation
import Synchronization

/// A fixed number of threads that run one function together and synchronise at barriers.
///
/// The calling thread is thread 0; the others sleep between runs. A class because all threads share its counters.
package final class ThreadTeam: @unchecked Sendable {
    /// Including the caller.
    package let count: Int

    private let arrivals = Atomic<Int>(0)
    private let phase = Atomic<Int>(0)
    private let starts: [DispatchSemaphore]
    private let ends = DispatchSemaphore(value: 0)
    // Written by the caller before the others start, read by them until they signal their end.
    private var job: ((Int) -> Void)?

    /// Starts `count` - 1 threads, which run until the process ends.
    package init(count: Int) {
        precondition(count > 0)
        self.count = count
        starts = (1..<max(1, count)).map { _ in DispatchSemaphore(value: 0) }
        for (index, start) in starts.enumerated() {
            let thread = Thread { [unowned self] in
                while true {
                    start.wait()
                    job?(index + 1)
                    ends.signal()
                }
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    /// Calls `body` with each thread's number on that thread, and returns when all are done.
    package func run(_ body: (Int) -> Void) {
        guard count > 1 else { return body(0) }
        withoutActuallyEscaping(body) { body in
            job = body
            for start in starts { start.signal() }
            body(0)
            for _ in starts { ends.wait() }
            job = nil
        }
    }

    /// A barrier inside `run`: what each thread wrote before is then visible to all.
    package func sync() {
        guard count > 1 else { return }
        let current = phase.load(ordering: .acquiring)
        if arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == count {
            arrivals.store(0, ordering: .relaxed)
            phase.store(current &+ 1, ordering: .releasing)
            return
        }
        // Threads do equal work, so the wait is short; but yield the core if there are more threads than cores.
        var spins = 0
        while phase.load(ordering: .acquiring) == current {
            spins &+= 1
            if spins > 4096 { sched_yield() }
        }
    }

    /// Thread `thread`'s part of 0 ..< count, in steps of `grain`; parts are in order and together the whole.
    package func part(_ thread: Int, of count: Int, grain: Int = 1) -> Range<Int> {
        evenPart(thread, of: count, among: self.count, grain: grain)
    }

    /// Thread `thread`'s part of a matrix whose blocks of `grain` rows or columns are divided over all threads, as near to squares
    /// as their number allows.
    package func block(_ thread: Int, rows: Int, columns: Int, grain: Int) -> (rows: Range<Int>, columns: Range<Int>) {
        // The largest part decides when all are done; of equals, one that reads less.
        var (across, least) = (1, (Int.max, Int.max))
        for parts in 1...count where count % parts == 0 {
            let height = ((rows + grain - 1) / grain + count / parts - 1) / (count / parts)
            let width = ((columns + grain - 1) / grain + parts - 1) / parts
            if (height * width, height + width) < least { (across, least) = (parts, (height * width, height + width)) }
        }
        return (
            evenPart(thread / across, of: rows, among: count / across, grain: grain),
            evenPart(thread % across, of: columns, among: across, grain: grain)
        )
    }
}

private func evenPart(_ index: Int, of count: Int, among parts: Int, grain: Int) -> Range<Int> {
    let grains = (count + grain - 1) / grain
    func bound(_ index: Int) -> Int { min(count, grains * index / parts * grain) }
    return bound(index)..<bound(index + 1)
}

/// `body` of each of `inputs`, in order, computed on up to `jobs` threads.
package func concurrentMap<Input: Sendable, Output: Sendable>(
    _ inputs: [Input], jobs: Int, _ body: @Sendable (Input) -> Output
) -> [Output] {
    [Output](unsafeUninitializedCapacity: inputs.count) { results, initialised in
        // Each thread writes its own elements, and nobody reads before all are done.
        nonisolated(unsafe) let results = results
        DispatchQueue.concurrentPerform(iterations: min(jobs, inputs.count)) { thread in
            for position in stride(from: thread, to: inputs.count, by: jobs) {
                results.initializeElement(at: position, to: body(inputs[position]))
            }
        }
        initialised = inputs.count
    }
}
