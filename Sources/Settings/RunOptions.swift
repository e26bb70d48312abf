import ArgumentParser
import Checkpoints
import Shards

/// The exit code of a run that saved its state early, on request or because of the time limit: EX_TEMPFAIL of sysexits.h.
package let stoppedEarly = ExitCode(75)

extension CorruptionPolicy: ExpressibleByArgument {}

/// Where a run reads and writes, how often it evaluates and saves, and when it ends early.
package struct FileOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Shard directory to train on.", valueName: "dir"))
    package var data: String
    @Option(help: ArgumentHelp("Shard directory to evaluate on.", valueName: "dir"))
    package var validation: String?
    @Option(help: ArgumentHelp("Run directory: configuration, log, checkpoints.", valueName: "dir"))
    package var run: String
    @Flag(
        help: """
            Go on from the newest checkpoint of the run directory, or start if it has none. Options that are not given are \
            those that the run was started with.
            """)
    package var resume = false
    @Option(help: ArgumentHelp("Epochs between evaluations.", valueName: "epochs"))
    package var evaluateEvery = 1
    @Option(
        help: ArgumentHelp(
            "Interval between checkpoints: epochs, or 500steps, or 30min.", valueName: "interval"))
    package var saveEvery = SaveInterval.epochs(1)
    @Option(help: ArgumentHelp("Number of newest checkpoints to keep; 0 for all.", valueName: "n"))
    package var keep = 3
    @Option(help: ArgumentHelp("Also keep checkpoints at multiples of this many steps.", valueName: "steps"))
    package var keepEvery: Int?
    @Option(help: ArgumentHelp("Consecutive failed checkpoints before the run ends.", valueName: "n"))
    package var saveFailures = 3
    @Option(
        help: ArgumentHelp(
            "Epochs between updates of RUN/report.html (default: never).", valueName: "epochs"))
    package var reportEvery: Int?
    @Option(
        help: ArgumentHelp(
            "Stop with a checkpoint after this many steps; the schedule is not shortened.", valueName: "steps")
    )
    package var stopAfter: Int?
    @Option(
        help: ArgumentHelp(
            "Stop with a checkpoint within this many minutes, with exit code \(stoppedEarly.rawValue).",
            valueName: "minutes"))
    package var timeLimit: Double?
    @Option(
        help: ArgumentHelp(
            "For a corrupt sample: stop the run, or substitute another sample.",
            valueName: "stop|substitute"))
    package var onCorrupt = CorruptionPolicy.stop

    package init() {}

    package func validate() throws {
        try requireCount("--evaluate-every", evaluateEvery, upTo: 1_000_000)
        try requireCount("--report-every", reportEvery ?? 1, upTo: 1_000_000)
        try requireCount("--keep-every", keepEvery ?? 1, upTo: 1_000_000_000)
        for (name, value) in [("--keep", keep), ("--save-failures", saveFailures)] {
            try requireCount(name, value, from: 0, upTo: 1_000_000)
        }
        try requireCount("--stop-after", stopAfter ?? 1, upTo: 1_000_000_000)
        guard timeLimit.map({ $0 > 0 && $0 <= 1e7 }) ?? true else {
            throw ValidationError("--time-limit takes a number of minutes above 0.")
        }
    }

    package var retention: CheckpointRetention {
        CheckpointRetention(last: keep > 0 ? keep : nil, everySteps: keepEvery)
    }
}

/// The interval between checkpoints.
package enum SaveInterval: Equatable, Sendable, ExpressibleByArgument {
    case epochs(Int)
    case steps(Int)
    /// On rank 0's clock.
    case minutes(Double)

    /// Reads `2`, `2epochs`, `500steps` or `30min`.
    package init?(argument: String) {
        func number(_ unit: String) -> Double? {
            guard argument.hasSuffix(unit), let value = Double(argument.dropLast(unit.count)) else { return nil }
            return value > 0 && value <= 1e6 ? value : nil
        }
        if let minutes = number("min") {
            self = .minutes(minutes)
        } else if let steps = number("steps"), steps == steps.rounded() {
            self = .steps(Int(steps))
        } else if let epochs = number("epochs") ?? number(""), epochs == epochs.rounded() {
            self = .epochs(Int(epochs))
        } else {
            return nil
        }
    }

    package var defaultValueDescription: String {
        switch self {
        case .epochs(let epochs): "\(epochs)"
        case .steps(let steps): "\(steps)steps"
        case .minutes(let minutes): "\(minutes)min"
        }
    }
}

/// What every run has, whatever it trains: everything except recipe and model.
package struct RunOptions: ParsableArguments {
    @OptionGroup(title: "Data and run") package var files: FileOptions
    @OptionGroup(title: "Speed") package var speed: SpeedOptions
    @OptionGroup(title: "Ranks") package var ranks: RankOptions
    @OptionGroup(title: "Telemetry") package var telemetry: TelemetryOptions

    package init() {}

    package func validate() throws {
        // Layers are measured on validation samples.
        guard (telemetry.measureEvery ?? 0) == 0 || files.validation != nil else {
            throw ValidationError("--measure-every measures validation samples: give --validation.")
        }
        guard telemetry.knnEvery == nil || files.validation != nil else {
            throw ValidationError("--knn-every compares validation samples: give --validation.")
        }
    }
}
