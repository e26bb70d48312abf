import Foundation

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
