import ArgumentParser
import Training

/// What a run tells of its layers and its course.
struct TelemetryArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Steps from one measurement of the layers to the next, on validation samples; 0 for none (default: one at each \
            evaluation).
            """, valueName: "steps"))
    var measureEvery: Int?
    @Option(
        help: ArgumentHelp(
            """
            Validation samples that are measured, evenly spread over all (default: a hundredth of what is trained on between \
            two measurements, from 8 to 64, which costs less than 1% of the time).
            """, valueName: "n"))
    var measureImages: Int?
    @Flag(inversion: .prefixedNo, help: "Write event files for TensorBoard.")
    var tensorboard = true

    func validate() throws {
        try demandCount("--measure-every", measureEvery ?? 0, from: 0, upTo: 1_000_000_000)
        try demandCount("--measure-images", measureImages ?? 1, upTo: 1_000_000)
    }

    /// Layers are measured on validation samples.
    func demandValidation(_ files: FileOptions) throws {
        guard (measureEvery ?? 0) == 0 || files.validation != nil else {
            throw ValidationError("--measure-every measures validation samples: give --validation.")
        }
    }

    var options: TelemetryOptions {
        TelemetryOptions(
            measureEvery: measureEvery, measureImages: measureImages, writesTensorBoard: tensorboard)
    }
}
