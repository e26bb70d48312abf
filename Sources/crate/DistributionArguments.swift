import ArgumentParser
import Collectives
import Training

extension WireFormat: ExpressibleByArgument {}
extension NonFinitePolicy: ExpressibleByArgument {}

/// How much of the gradients ranks exchange at once.
struct BucketOption: ParsableArguments {
    @Option(help: ArgumentHelp("MiB of gradients that are exchanged at once.", valueName: "mib"))
    var bucketMb = 2.0

    func validate() throws {
        guard bucketMb > 0, bucketMb <= 1024 else { throw ValidationError("--bucket-mb takes a number up to 1024.") }
    }

    var bytes: Int { Int(bucketMb * 1_048_576) }
}

/// How ranks work together, and what they do about each other.
struct DistributionArguments: ParsableArguments {
    @OptionGroup var bucket: BucketOption
    @Option(help: ArgumentHelp("Seconds of waiting until late ranks are named; 0 for never.", valueName: "s"))
    var stallWarning = 60.0
    @Option(help: ArgumentHelp("Seconds of waiting until the job is ended; 0 for never.", valueName: "s"))
    var stallAbort = 1800.0
    @Option(
        help: ArgumentHelp(
            "Steps from one comparison of the ranks' parameters to the next; 0 for never.", valueName: "n"))
    var checkEvery = 100
    @Option(help: "What to do with a step whose loss or gradients are not finite: stop, or skip it.")
    var onNonFinite = NonFinitePolicy.stop
    @Option(help: ArgumentHelp("Steps in a row that may be skipped.", valueName: "n"))
    var maxSkips = 10

    func validate() throws {
        for (name, value) in [("--stall-warning", stallWarning), ("--stall-abort", stallAbort)] {
            guard value >= 0, value <= 1e6 else { throw ValidationError("\(name) takes seconds from 0 to 1000000.") }
        }
        for (name, value) in [("--check-every", checkEvery), ("--max-skips", maxSkips)] {
            try demandCount(name, value, from: 0, upTo: 1_000_000)
        }
    }

    var options: DistributionOptions {
        DistributionOptions(
            bucketBytes: bucket.bytes,
            limits: .init(
                warning: stallWarning > 0 ? stallWarning : .infinity, abort: stallAbort > 0 ? stallAbort : .infinity),
            checkEvery: checkEvery, onNonFinite: onNonFinite, maxSkips: maxSkips)
    }
}
