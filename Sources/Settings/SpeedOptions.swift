import ArgumentParser
import Kernels

extension Precision: ExpressibleByArgument {}
extension ProductBackend: ExpressibleByArgument {}

package struct SpeedOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Threads per rank; give mpirun as many cores per rank.", valueName: "n"))
    package var threads = 1
    @Option(help: ArgumentHelp("Precision of matrix products; everything else is fp32.", valueName: "fp32|bf16"))
    package var precision = Precision.fp32
    @Option(
        help: ArgumentHelp(
            "Kernels of products of tokens and weights: the program's own or OpenBLAS's, which round differently.",
            valueName: "packed|blas"))
    package var products = ProductBackend.fastest

    package init() {}

    package func validate() throws { try requireCount("--threads", threads, upTo: 1024) }
}

/// The bounds keep products of these numbers, such as the samples of a whole run, far from overflow.
package func requireCount(_ option: String, _ value: Int, from least: Int = 1, upTo largest: Int) throws {
    guard (least...largest).contains(value) else {
        throw ValidationError("\(option) takes a whole number from \(least) to \(largest).")
    }
}
