import CrateModel
import Diagnostics
import Kernels
import Testing
import Training

/// By default one single-threaded rank per node, 80 GFLOP/s, 10 Gbit/s.
func cluster(
    ranksPerNode: Int = 1, threads: Int = 1, gflops: Double = 100, fraction: Double = 0.8, gigabits: Double = 10,
    latency: Double = 2e-5, nodeBandwidth: Double = 1e9, memoryBandwidth: Double = 1e10
) -> ClusterDescription {
    ClusterDescription(
        ranksPerNode: ranksPerNode, threads: threads,
        rates: MeasuredRates(productRate: gflops * 1e9, productFraction: fraction),
        linkBandwidth: gigabits * 1e9 / 8, linkLatency: latency, nodeBandwidth: nodeBandwidth,
        memoryBandwidth: memoryBandwidth)
}

/// A run of 1000 steps.
func configuration(
    _ size: ModelSize = .tiny, batch: Int, virtualRanks: Int, microBatch: Int, precision: Precision = .fp32
) throws -> TrainingConfiguration {
    let extents = try #require(Architecture.crate.extents(size))
    return TrainingConfiguration(
        model: try ModelConfiguration(
            imageSize: 224, patchSize: 16, dim: extents.dim, depth: extents.depth, heads: extents.heads,
            normalisesTargets: true),
        batchSize: batch, virtualRanks: virtualRanks, microBatch: microBatch, precision: precision, wire: .fp32,
        schedule: LearningRate(peak: 1e-3, warmupSteps: 10, totalSteps: 1000), weightDecay: 0.1, clip: 1,
        maskRatio: 0.75, normalisation: .imageNet, seed: 0, sampleCount: 100_000)
}
