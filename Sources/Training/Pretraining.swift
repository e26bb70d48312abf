import Checkpoints
import Collectives
import CrateModel
import Files
import Foundation
import Kernels
import Shards
import Threads

/// Where a pretraining run reads and writes, and how often it looks up.
public struct PretrainOptions: Sendable {
    /// The shard directory to train on.
    public var data: String
    /// The shard directory to evaluate on.
    public var validation: String?
    /// The run directory.
    public var run: RunDirectory
    /// Whether to go on from the newest checkpoint of the run directory.
    public var resumes: Bool
    /// Epochs from one evaluation to the next.
    public var evaluateEvery: Int
    /// Epochs from one checkpoint to the next.
    public var saveEvery: Int

    /// Threads of a rank.
    public var threads: Int
    /// What happens at a sample that cannot be read.
    public var onDamage: DamagePolicy

    /// The options of a run in `run` on the shards in `data`.
    public init(
        data: String, validation: String?, run: RunDirectory, resumes: Bool, evaluateEvery: Int, saveEvery: Int,
        threads: Int, onDamage: DamagePolicy
    ) {
        self.data = data
        self.validation = validation
        self.run = run
        self.resumes = resumes
        self.evaluateEvery = evaluateEvery
        self.saveEvery = saveEvery
        self.threads = threads
        self.onDamage = onDamage
    }
}

/// Pretrains a CRATE-MAE from its initial values or from the run's newest checkpoint to the end of the schedule.
///
/// Collective: every rank computes its share of each batch; rank 0 alone writes the log and the checkpoints. All
/// ranks return, or all throw the same `Failure`.
public func pretrain(_ configuration: PretrainConfiguration, _ options: PretrainOptions, world: World) throws {
    let (model, total) = (MaskedAutoencoder(configuration.model), configuration.schedule.totalSteps)
    let isCoordinator = world.rank == 0

    // ---- everything that can be refused, and all memory ----
    _ = try configuration.samplesPerVirtualRank(ranks: world.size)
    let loader = try world.agree { try makeLoader(options.data, configuration, options.onDamage) }
    try demandEqualCounts(loader.count, options.data, world)
    let validation = try world.agree {
        try options.validation.map { try makeLoader($0, configuration, options.onDamage) }
    }
    if let path = options.validation { try demandEqualCounts(validation?.count ?? 0, path, world) }
    let team = ThreadTeam(count: options.threads)
    let workspace = try world.agree {
        try Workspace(model, images: configuration.microBatch, precision: configuration.precision, team: team)
    }
    let optimizer = try world.agree {
        try Optimizer(model.layout, rule: AdamW(weightDecay: configuration.weightDecay))
    }
    var reduction = try world.agree {
        try GradientReduction(configuration, gradientCount: model.layout.bufferCount, world: world)
    }

    // ---- where to start ----
    var warnings: [Failure] = []
    let resumed = try world.agree {
        isCoordinator
            ? try options.run.prepare(configuration, resumes: options.resumes) { warnings.append($0) } : nil
    }
    let log = try world.agree { isCoordinator ? try RunLog(path: options.run.logPath) : nil }
    let start = world.broadcast(resumed?.manifest.step ?? 0, from: 0)
    try world.agree {
        guard isCoordinator else { return }
        if let resumed {
            try CheckpointStore.load(optimizer.state, of: model, from: resumed.path)
        } else {
            model.layout.initialise(optimizer.parameters.pointer, seed: configuration.seed)
        }
    }
    for buffer in optimizer.state.buffers {
        world.broadcast(buffer, count: model.layout.bufferCount, from: 0)
    }
    var progress = Progress(isTalking: isCoordinator, totalSteps: total, remaining: total - start)
    defer { progress.endLine() }
    for warning in warnings + loader.missing + (validation?.missing ?? []) { progress.say("warning: \(warning)") }
    var damage = DamageReport(rank: world.rank)
    progress.say(summary(configuration, model, ranks: world.size))
    if !configuration.isIndependentOfRanks {
        progress.say(
            "\(configuration.virtualRanks) virtual ranks are no power of two: other numbers of ranks round differently")
    }
    if let resumed { progress.say("going on from \(resumed.path)") }

    // ---- train ----
    func record(_ entry: LogEntry) throws {
        try world.agree { try log?.append(entry) }
    }
    func evaluateNow(after step: Int) throws {
        guard let validation else { return }
        let loss = try evaluate(
            model, parameters: optimizer.parameters.pointer, workspace: workspace, loader: validation,
            chunk: configuration.microBatch, world: world)
        try record(LogEntry(step: step, epoch: configuration.epoch(after: step), validationLoss: loss))
        progress.say("validation loss \(formatted(loss)) after \(step) steps")
    }
    loader.begin(configuration.batches(from: start, rank: world.rank, ranks: world.size), for: .training)
    if start == 0 { try evaluateNow(after: 0) }
    for step in start..<max(start, total) {
        var watch = Stopwatch()
        let result = try runStep(step, configuration, model, optimizer, workspace, loader, &reduction, world)
        let (done, seconds) = (step + 1, watch.lap())
        let entry = LogEntry(
            step: done, epoch: configuration.epoch(after: done), loss: result.loss,
            lr: configuration.schedule.rate(at: step), gradNorm: result.gradientNorm,
            imagesPerSecond: Double(configuration.batchSize) / seconds, dataSeconds: result.dataSeconds,
            computeSeconds: result.passSeconds + result.optimizerSeconds,
            communicationSeconds: result.communicationSeconds,
            substituted: result.substituted > 0 ? result.substituted : nil)
        try record(entry)
        damage.tell(result.substitutions)
        progress.show(entry, seconds: seconds)

        if configuration.isDue(every: options.evaluateEvery, after: done) { try evaluateNow(after: done) }
        if configuration.isDue(every: options.saveEvery, after: done) {
            try world.agree {
                guard isCoordinator else { return }
                try options.run.checkpoints.save(
                    optimizer.state, of: model, maskRatio: configuration.maskRatio,
                    normalisation: configuration.normalisation, step: done, samples: done * configuration.batchSize)
            }
        }
    }
    progress.say("done: \(options.run.path) holds \(total) steps")
}

func makeLoader(
    _ path: String, _ configuration: PretrainConfiguration, _ onDamage: DamagePolicy = .stop
) throws -> BatchLoader {
    try BatchLoader(
        LoaderSettings(
            path: path, imageSize: configuration.model.imageSize, patchSize: configuration.model.patchSize,
            normalisation: configuration.normalisation, maskRatio: configuration.maskRatio, seed: configuration.seed,
            capacity: configuration.microBatch, onDamage: onDamage))
}

/// Ranks that read copies of their own may hold different ones; they would wait for each other forever.
func demandEqualCounts(_ count: Int, _ path: String, _ world: World) throws {
    let least = world.minimum(count)
    try world.agree {
        guard count == least else {
            throw Failure(
                "\(path) holds \(count) samples on rank \(world.rank) and \(least) on another",
                hint: "give all ranks the same shards")
        }
    }
}

private func summary(_ configuration: PretrainConfiguration, _ model: MaskedAutoencoder, ranks: Int) -> String {
    let (schedule, shape) = (configuration.schedule, configuration.model)
    return String(
        format:
            "%d rank%@, %.1f M parameters (width %d, depth %d + %d, %d heads), %d samples, %d steps of %d, peak lr %.2e",
        ranks, ranks == 1 ? "" : "s", Double(model.layout.parameterCount) / 1e6, shape.dim, shape.depth,
        shape.decoderDepth, shape.heads, configuration.sampleCount, schedule.totalSteps, configuration.batchSize,
        schedule.peak)
}

/// A validation loss as it is printed everywhere.
public func formatted(_ loss: Double) -> String { String(format: "%.6f", loss) }
