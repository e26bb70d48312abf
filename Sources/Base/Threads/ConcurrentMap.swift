import Foundation

/// The results of `body` for each of `inputs`, in their order, computed on up to `jobs` threads.
package func concurrentMap<Input: Sendable, Output: Sendable>(
    _ inputs: [Input], jobs: Int, _ body: @Sendable (Input) -> Output
) -> [Output] {
    [Output](unsafeUninitializedCapacity: inputs.count) { results, initialised in
        // Each thread writes positions of its own, and nobody reads before all are done.
        nonisolated(unsafe) let results = results
        DispatchQueue.concurrentPerform(iterations: min(jobs, inputs.count)) { thread in
            for position in stride(from: thread, to: inputs.count, by: jobs) {
                results.initializeElement(at: position, to: body(inputs[position]))
            }
        }
        initialised = inputs.count
    }
}
