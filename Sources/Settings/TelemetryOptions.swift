import ArgumentParser

/// What a run records of its layers and its course, besides `log.jsonl`.
package struct TelemetryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Steps from one measurement of the layers to the next, on validation samples; 0 for none (default: one at each \
            evaluation).
            """, valueName: "steps"))
    package var measureEvery: Int?
    @Option(
        help: ArgumentHelp(
            """
            Validation samples that are measured, evenly spread over all (default: a hundredth of what is trained on between \
            two measurements, from 8 to 64, which costs less than 1% of the time).
            """, valueName: "n"))
    package var measureImages: Int?
    @Option(
        help: ArgumentHelp(
            """
            Epochs from one measurement of nearest neighbours to the next: for each validation sample the 20 most similar of \
            up to 10,000 training samples vote, as in crate probe; needs labels (default: never).
            """, valueName: "epochs"))
    package var knnEvery: Int?
    @Flag(inversion: .prefixedNo, help: "Write event files for TensorBoard.")
    package var tensorboard = true

    package init() {}

    package func validate() throws {
        try requireCount("--measure-every", measureEvery ?? 0, from: 0, upTo: 1_000_000_000)
        try requireCount("--knn-every", knnEvery ?? 1, upTo: 1_000_000)
        try requireCount("--measure-images", measureImages ?? 1, upTo: 1_000_000)
    }
}
