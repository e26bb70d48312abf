import ArgumentParser

/// What is hidden from a masked autoencoder, and what it is asked for.
struct MaskingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Fraction of patches to mask.", valueName: "x"))
    var maskRatio = 0.75
    @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Standardise each target patch.")
    var normPix = false

    func validate() throws {
        guard maskRatio > 0, maskRatio < 1 else {
            throw ValidationError("--mask-ratio takes a number between 0 and 1.")
        }
    }
}
