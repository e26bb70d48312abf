import ArgumentParser
import Base
import CrateModel
import Diagnostics
import Images
import Kernels
import Settings

struct PlanCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Estimate memory, time and communication of a run on a cluster, and how many nodes are worthwhile.",
        discussion: """
            mpirun -n 2 --map-by socket:PE=16 crate bench --model base \\
                --batch-size 64 --threads 16 --json > bench.json
            crate plan --model base --images 1281167 --epochs 800 \\
                --bench bench.json --threads 16 --ranks-per-node 2 --nodes 16 --link 25

            crate plan --model tiny --images 50000 --epochs 200 --batch-size 512 \\
                --gflops 95 --nodes 2 --link 1 --latency 50 --json

            Options of the model, the recipe and the ranks are those of pretrain. --gflops is what crate bench prints over the cores it ran \
            on, best with all cores of a node at work. Not planned: evaluations, checkpoints, waiting for slow nodes, and the \
            core time that messages take. Memory is that of nodes with a processor like this one; the program itself takes \
            some 70 MiB more a rank.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Masking") var masking: MaskingOptions
    @OptionGroup(title: "Recipe") var recipe: RecipeOptions
    @Option(help: ArgumentHelp("Images in the training set; not needed with --steps.", valueName: "n"))
    var images: Int?
    @OptionGroup(title: "Speed") var speed: SpeedOptions
    @OptionGroup(title: "Ranks") var bucket: BucketOption
    @OptionGroup(title: "Cluster") var cluster: ClusterOptions
    @Flag(help: "Print JSON instead of tables.")
    var json = false

    /// Multiplied by the most warm-up epochs, it is still within the limits of Int.
    private static let mostImages = 4_000_000_000

    func run() throws {
        let (model, precision) = (try model.configuration(normalisesTargets: masking.normPix), speed.precision)
        guard images != nil || recipe.steps != nil, (1...Self.mostImages).contains(images ?? 1) else {
            throw Failure(
                images.map { "--images \($0) is outside 1 to \(Self.mostImages)" }
                    ?? "neither --images nor --steps is given",
                hint: "say how many images the training set has")
        }
        let visible = try PatchGrid(imageSize: model.imageSize, patchSize: model.patchSize)
            .visiblePatches(maskRatio: masking.maskRatio)
        let rates = try cluster.rates(model, visible: visible, precision)
        let plan = try ScalingPlan(
            nodes: cluster.nodes, cluster.description(rates, threads: speed.threads), products: speed.products,
            bucketBytes: bucket.bytes
        ) { ranks in
            try recipe.configuration(
                model, maskRatio: masking.maskRatio, sampleCount: images ?? 1, normalisation: .imageNet,
                precision: precision, ranks: ranks, threads: speed.threads)
        }
        json ? try printJSON(plan) : PlanTable(plan: plan, threads: speed.threads, precision: precision).print()
    }
}

struct ClusterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Nodes, a power of two.", valueName: "n"))
    var nodes = 1
    @Option(help: ArgumentHelp("Ranks per node, a power of two.", valueName: "n"))
    var ranksPerNode = 1
    @Option(help: ArgumentHelp("Rate of matrix products on one core.", valueName: "GFLOP/s"))
    var gflops: Double?
    @Option(
        help: ArgumentHelp("Output of crate bench --json, instead of --gflops and --fraction.", valueName: "file"))
    var bench: String?
    @Option(
        help: ArgumentHelp(
            "Fraction of the rate of products that passes reach (default: \(MeasuredRates.defaultProductFraction)).",
            valueName: "x"))
    var fraction: Double?
    @Option(help: ArgumentHelp("Bandwidth of a node's link in each direction.", valueName: "Gbit/s"))
    var link = 10.0
    @Option(help: ArgumentHelp("Latency of a message between nodes.", valueName: "microseconds"))
    var latency = 20.0
    @Option(
        help: ArgumentHelp("Bandwidth between two ranks of a node, in each direction at once.", valueName: "GB/s"))
    var nodeBandwidth = 1.0
    @Option(help: ArgumentHelp("Memory bandwidth of a rank.", valueName: "GB/s"))
    var memoryBandwidth = 10.0

    func validate() throws {
        guard (gflops == nil) != (bench == nil) else { throw ValidationError("Give --gflops or --bench, one of them.") }
        guard fraction == nil || bench == nil else { throw ValidationError("Give --fraction or --bench, not both.") }
    }

    /// The product rate of a core, and the fraction of it that passes reach.
    func rates(_ model: ModelConfiguration, visible: Int, _ precision: Precision) throws -> MeasuredRates {
        if let bench {
            return try MeasuredRates(benchmark: bench, model: model, visible: visible, precision: precision)
        }
        return MeasuredRates(
            productRate: (gflops ?? 0) * 1e9,
            productFraction: fraction ?? MeasuredRates.defaultProductFraction)
    }

    func description(_ rates: MeasuredRates, threads: Int) -> ClusterDescription {
        ClusterDescription(
            ranksPerNode: ranksPerNode, threads: threads, rates: rates, linkBandwidth: link * 1e9 / 8,
            linkLatency: latency * 1e-6, nodeBandwidth: nodeBandwidth * 1e9, memoryBandwidth: memoryBandwidth * 1e9)
    }
}
