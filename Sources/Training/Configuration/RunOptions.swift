import Checkpoints
import Collectives
import Shards

/// What is done with a step whose loss or gradients are not finite.
package enum NonFinitePolicy: String, CaseIterable, Codable, Sendable {
    /// The run ends.
    case stop
    /// The step changes nothing.
    case skip
}

/// How ranks work together. Nothing of it changes a bit of a run in which everything is finite.
package struct DistributionOptions: Sendable {
    /// Bytes of gradients that are exchanged at once.
    package var bucketBytes: Int
    /// When late ranks are named, and when they end the job.
    package var limits: Watchdog.Limits
    /// Steps from one comparison of the ranks' parameters to the next; 0 for never.
    package var checkEvery: Int
    /// What is done with a step that is not finite.
    package var onNonFinite: NonFinitePolicy
    /// Steps in a row that may be skipped.
    package var maxSkips: Int

    /// Options from their parts; what is left out is not done.
    package init(
        bucketBytes: Int, limits: Watchdog.Limits = .init(warning: .infinity, abort: .infinity), checkEvery: Int = 0,
        onNonFinite: NonFinitePolicy = .stop, maxSkips: Int = 0
    ) {
        self.bucketBytes = bucketBytes
        self.limits = limits
        self.checkEvery = checkEvery
        self.onNonFinite = onNonFinite
        self.maxSkips = maxSkips
    }
}

/// From one checkpoint to the next.
package enum SaveInterval: Equatable, Sendable {
    /// So many epochs.
    case epochs(Int)
    /// So many steps.
    case steps(Int)
    /// So many minutes on rank 0's clock.
    case minutes(Double)
}

/// Where a run reads and writes, how often it looks up, and when it ends early.
package struct RunOptions: Sendable {
    /// The shard directory to train on.
    package var data: String
    /// The shard directory to evaluate on.
    package var validation: String?
    /// The run directory.
    package var run: RunDirectory
    /// What the parameters begin with; nil for initial values.
    package var pretrained: PretrainedWeights?
    /// Whether to go on from the newest checkpoint of the run directory.
    package var resumes: Bool
    /// The subcommand and its options, stored with the run.
    package var settings: RunSettings
    /// Epochs from one evaluation to the next.
    package var evaluateEvery: Int
    /// From one checkpoint to the next.
    package var saveEvery: SaveInterval
    /// Which checkpoints stay.
    package var retention: CheckpointRetention
    /// Checkpoints in a row that may fail before the run ends.
    package var saveFailures: Int
    /// Steps after which to end with a checkpoint; the schedule is that of the whole run.
    package var stopAfter: Int?
    /// Seconds from the start of training within which to end with a checkpoint.
    package var timeLimit: Double?
    /// Threads of a rank.
    package var threads: Int
    /// What happens at a sample that cannot be read.
    package var onCorruption: CorruptionPolicy
    /// How ranks work together.
    package var distribution: DistributionOptions
    /// What the run tells of its layers and its course.
    package var telemetry: TelemetryOptions
    /// Epochs from one refreshing of the run's report to the next; nil for never.
    package var reportEvery: Int?

    /// Options from their parts.
    package init(
        data: String, validation: String?, run: RunDirectory, pretrained: PretrainedWeights? = nil, resumes: Bool,
        settings: RunSettings, evaluateEvery: Int,
        saveEvery: SaveInterval,
        retention: CheckpointRetention, saveFailures: Int, stopAfter: Int?, timeLimit: Double?, threads: Int,
        onCorruption: CorruptionPolicy,
        distribution: DistributionOptions, telemetry: TelemetryOptions = TelemetryOptions(), reportEvery: Int? = nil
    ) {
        self.data = data
        self.validation = validation
        self.run = run
        self.pretrained = pretrained
        self.resumes = resumes
        self.settings = settings
        self.evaluateEvery = evaluateEvery
        self.saveEvery = saveEvery
        self.retention = retention
        self.saveFailures = saveFailures
        self.stopAfter = stopAfter
        self.timeLimit = timeLimit
        self.threads = threads
        self.onCorruption = onCorruption
        self.distribution = distribution
        self.telemetry = telemetry
        self.reportEvery = reportEvery
    }

    /// Options that may differ between ranks: paths, and what concerns one process.
    private static let local: Set = ["data", "validation", "run", "threads", "time-limit"]

    /// What must be the same on all ranks, or they would wait for each other.
    var shared: [String: String] {
        settings.options.filter { !Self.local.contains($0.key) }.merging([
            "validation": validation == nil ? "absent" : "given", "stop-after": "\(stopAfter ?? 0)",
            "from": pretrained?.file ?? "none",
        ]) { $1 }
    }
}
