import Foundation

/// CRATE_FUZZ_SECONDS in the environment: how long a fuzzing loop runs; nil for its usual number of iterations.
private let fuzzSeconds = ProcessInfo.processInfo.environment["CRATE_FUZZ_SECONDS"].flatMap(Double.init)

/// Iterations of a fuzzing loop: `count`, or as many as fit into CRATE_FUZZ_SECONDS.
public func fuzzIterations(_ count: Int) -> some Sequence<Int> {
    let deadline = fuzzSeconds.map { ProcessInfo.processInfo.systemUptime + $0 }
    return sequence(first: 0) { $0 + 1 }.lazy.prefix { number in
        deadline.map { ProcessInfo.processInfo.systemUptime < $0 } ?? (number < count)
    }
}

/// Limits this process, which fuzzes, to `memory` more bytes, and to four minutes more than it fuzzes by the clock.
public func limitFuzzing(memory: Int) throws {
    try limitProcess(memory: memory, seconds: UInt32(min(fuzzSeconds ?? 0, 86_400)) + 240)
}
