import Foundation

/// Memory that threads take for a while, each as much as its image or the like needs: a thread waits until the others have given back
/// enough.
///
/// A class because the threads share it.
package final class MemoryBudget: @unchecked Sendable {
    private let free: @Sendable () -> Int?
    /// As long as all together take no more than this, nobody asks what is free, which takes a while.
    private let unaskedBytes: Int
    private let condition = NSCondition()
    private var taken = 0

    /// A budget of what `free` says is free at the time, without a limit if that is nil.
    package init(free: @escaping @Sendable () -> Int? = { availableMemory() }) {
        self.free = free
        unaskedBytes = (free() ?? .max) / 16
    }

    /// Takes `byteCount` bytes (at most 2^48), to be given back by `giveBack`; waits until they are free.
    ///
    /// What others have taken counts as not yet used, so rather too much is kept free. Throws `Failure` if the bytes are not free although
    /// nobody else has taken any.
    package func take(_ byteCount: Int) throws {
        condition.lock()
        defer { condition.unlock() }
        while taken + byteCount > unaskedBytes, let free = free(), byteCount > free - taken {
            guard taken > 0 else {
                throw Failure(
                    "it needs \(byteCount >> 20) MiB of memory and \(free >> 20) are free", hint: "free some memory")
            }
            condition.wait()
        }
        taken += byteCount
    }

    package func giveBack(_ byteCount: Int) {
        condition.withLock { taken -= byteCount }
        condition.broadcast()
    }
}
