import ArgumentParser
import Checkpoints
import Foundation
import Shards
import Training

extension CorruptionPolicy: ExpressibleByArgument {}

/// Where a run reads and writes, how often it looks up, and when it ends early.
struct FileOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Shard directory to train on.", valueName: "dir"))
    var data: String
    @Option(help: ArgumentHelp("Shard directory to evaluate on.", valueName: "dir"))
    var validation: String?
    @Option(help: ArgumentHelp("Run directory: configuration, log, checkpoints.", valueName: "dir"))
    var run: String
    @Flag(
        help: """
            Go on from the newest checkpoint of the run directory, or start if it has none. Options that are not given are \
            those that the run was started with.
            """)
    var resume = false
    @Option(help: ArgumentHelp("Epochs from one evaluation to the next.", valueName: "epochs"))
    var evaluateEvery = 1
    @Option(
        help: ArgumentHelp(
            "From one checkpoint to the next: epochs, or 500steps, or 30min.", valueName: "interval"))
    var saveEvery = SaveInterval.epochs(1)
    @Option(help: ArgumentHelp("Newest checkpoints that stay; 0 for all.", valueName: "n"))
    var keep = 3
    @Option(help: ArgumentHelp("Checkpoints of multiples of so many steps stay, too.", valueName: "steps"))
    var keepEvery: Int?
    @Option(help: ArgumentHelp("Checkpoints in a row that may fail before the run ends.", valueName: "n"))
    var saveFailures = 3
    @Option(
        help: ArgumentHelp(
            "Epochs from one refreshing of RUN/report.html to the next (default: never).", valueName: "epochs"))
    var reportEvery: Int?
    @Option(
        help: ArgumentHelp(
            "Steps after which to end with a checkpoint; the schedule stays that of the whole run.", valueName: "steps")
    )
    var stopAfter: Int?
    @Option(
        help: ArgumentHelp(
            "Minutes within which to end with a checkpoint and exit code \(stoppedEarly.rawValue).",
            valueName: "minutes"))
    var timeLimit: Double?
    @Option(
        help: ArgumentHelp(
            "At a sample that cannot be read: end the run, or let another one stand in for it.",
            valueName: "stop|substitute"))
    var onCorrupt = CorruptionPolicy.stop

    func validate() throws {
        try demandCount("--evaluate-every", evaluateEvery, upTo: 1_000_000)
        try demandCount("--report-every", reportEvery ?? 1, upTo: 1_000_000)
        try demandCount("--keep-every", keepEvery ?? 1, upTo: 1_000_000_000)
        for (name, value) in [("--keep", keep), ("--save-failures", saveFailures)] {
            try demandCount(name, value, from: 0, upTo: 1_000_000)
        }
        try demandCount("--stop-after", stopAfter ?? 1, upTo: 1_000_000_000)
        guard timeLimit.map({ $0 > 0 && $0 <= 1e7 }) ?? true else {
            throw ValidationError("--time-limit takes a number of minutes above 0.")
        }
    }
}

extension FileOptions {
    var retention: CheckpointRetention { CheckpointRetention(last: keep > 0 ? keep : nil, everySteps: keepEvery) }

    /// The options to store with the run: all but those that belong to one start.
    var settings: RunSettings {
        get throws {
            try GivenArguments.ofProcess.get()
                .settings(without: ["stop-after", "time-limit", "run", "resume", "config", "print-config", "debug"])
        }
    }
}

extension SaveInterval: ExpressibleByArgument {
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

    /// How it is written on the command line.
    package var defaultValueDescription: String {
        switch self {
        case .epochs(let epochs): "\(epochs)"
        case .steps(let steps): "\(steps)steps"
        case .minutes(let minutes): "\(minutes)min"
        }
    }
}
