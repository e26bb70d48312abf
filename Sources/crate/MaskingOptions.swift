import ArgumentParser

/// What is hidden from a masked autoencoder, and what it is asked for.
struct MaskingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Fraction of the patches that is hidden.", valueName: "x"))
    var maskRatio = 0.75
    @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Standardise each target patch.")
    var normPix = false
}
