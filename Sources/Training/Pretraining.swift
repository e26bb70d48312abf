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

    /// The options of a run in `run` on the shards in `data`.
    public init(
        data: String, validation: String?, run: RunDirectory, resumes: Bool, evaluateEvery: Int, saveEvery: Int,
        threads: Int
    ) {
        self.data = data
        self.validation = validation
        self.run = run
        self.resumes = resumes
        self.evaluateEvery = evaluateEvery
        self.saveEvery = saveEvery
        self.threads = threads
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
    var loader = try world.agree { try makeLoader(options.data, configuration) }
    try demandEqualCounts(loader.count, options.data, world)
    var validation = try world.agree {
        try options.validation == nil ? nil : makeLoader(options.validation!, configuration)
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
    for warning in warnings { progress.say("warning: \(warning)") }
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
        guard validation != nil else { return }
        let loss = try evaluate(
            model, parameters: optimizer.parameters.pointer, workspace: workspace, loader: &validation!,
            chunk: configuration.microBatch, world: world)
        try record(LogEntry(step: step, epoch: configuration.epoch(after: step), validationLoss: loss))
        progress.say("validation loss \(formatted(loss)) after \(step) steps")
    }
    if start == 0 { try evaluateNow(after: 0) }
    for step in start..<max(start, total) {
        let result = try runStep(step, configuration, model, optimizer, workspace, &loader, &reduction, world)
        let (done, seconds) = (step + 1, result.seconds)
        let entry = LogEntry(
            step: done, epoch: configuration.epoch(after: done), loss: result.loss,
            lr: configuration.schedule.rate(at: step), gradNorm: result.gradientNorm,
            imagesPerSecond: Double(configuration.batchSize) / seconds.total, dataSeconds: seconds[.data],
            computeSeconds: seconds.passes + seconds[.optimizer],
            communicationSeconds: seconds[.reduction])
        try record(entry)
        progress.show(entry, seconds: seconds.total)

        if configuration.isDue(every: options.evaluateEvery, after: done) { try evaluateNow(after: done) }
        if configuration.isDue(every: options.saveEvery, after: done) {
            try world.agree {
                guard isCoordinator else { return }
                try options.run.checkpoints.save(
                    optimizer.state, of: model, maskRatio: configuration.maskRatio, step: done,
                    samples: done * configuration.batchSize)
            }
        }
    }
    progress.say("done: \(options.run.path) holds \(total) steps")
}

func makeLoader(_ path: String, _ configuration: PretrainConfiguration) throws -> BatchLoader {
    try BatchLoader(
        path: path, imageSize: configuration.model.imageSize, patchSize: configuration.model.patchSize,
        maskRatio: configuration.maskRatio, seed: configuration.seed, capacity: configuration.microBatch)
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
