import ArgumentParser
import Collectives

extension WireFormat: ExpressibleByArgument {}

/// What to do if loss or gradients are not finite.
package enum NonFinitePolicy: String, CaseIterable, Sendable, ExpressibleByArgument {
    /// End the run.
    case stop
    /// Skip the update.
    case skip
}

package struct BucketOption: ParsableArguments {
    @Option(help: ArgumentHelp("Bucket size of the gradient exchange in MiB.", valueName: "mib"))
    package var bucketMb = 2.0

    package init() {}

    package func validate() throws {
        guard bucketMb > 0, bucketMb <= 1024 else { throw ValidationError("--bucket-mb takes a number up to 1024.") }
    }

    package var bytes: Int { Int(bucketMb * 1_048_576) }
}

/// How ranks work together. None of it changes a bit of a run in which everything is finite.
package struct RankOptions: ParsableArguments {
    @OptionGroup package var bucket: BucketOption
    @Option(help: ArgumentHelp("Seconds of waiting before late ranks are reported; 0 for never.", valueName: "s"))
    package var stallWarning = 60.0
    @Option(help: ArgumentHelp("Seconds of waiting before the job is aborted; 0 for never.", valueName: "s"))
    package var stallAbort = 1800.0
    @Option(
        help: ArgumentHelp(
            "Steps between comparisons of the ranks' parameters; 0 for never.", valueName: "n"))
    package var checkEvery = 100
    @Option(help: "If loss or gradients are not finite: stop, or skip the step.")
    package var onNonFinite = NonFinitePolicy.stop
    @Option(help: ArgumentHelp("Maximum number of consecutive skipped steps.", valueName: "n"))
    package var maxSkips = 10

    package init() {}

    package func validate() throws {
        for (name, value) in [("--stall-warning", stallWarning), ("--stall-abort", stallAbort)] {
            guard value >= 0, value <= 1e6 else { throw ValidationError("\(name) takes seconds from 0 to 1000000.") }
        }
        for (name, value) in [("--check-every", checkEvery), ("--max-skips", maxSkips)] {
            try requireCount(name, value, from: 0, upTo: 1_000_000)
        }
    }

    package var limits: Watchdog.Limits {
        .init(warning: stallWarning > 0 ? stallWarning : .infinity, abort: stallAbort > 0 ? stallAbort : .infinity)
    }
}
