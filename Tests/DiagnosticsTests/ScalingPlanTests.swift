import Base
import Collectives
import CrateModel
import Diagnostics
import Kernels
import Optimizers
import Testing
import Training

@Suite struct MemoryPlanTests {
    /// Compares each kind of memory with the bytes allocated for it.
    @Test(arguments: Architecture.allCases, [(Precision.fp32, 1), (.fp32, 3), (.bf16, 3)])
    func plannedMemoryMatchesAllocations(
        architecture: Architecture, on engine: (precision: Precision, threads: Int)
    ) throws {
        let (precision, threads) = engine
        for (dim, depth, heads, images, leaves) in [(48, 2, 3, 4, 1), (100, 1, 1, 3, 2), (64, 3, 4, 7, 8)] {
            var configuration = try configuration(
                batch: images * leaves, virtualRanks: leaves, microBatch: images, precision: precision)
            configuration.model = try ModelConfiguration(
                architecture, imageSize: 40, patchSize: 8, dim: dim, depth: depth, heads: heads,
                normalisesTargets: true)
            let plan = try MemoryPlan(configuration, ranks: 1, threads: threads, bucketBytes: 1 << 23)
            let model = try Model(configuration.model)
            let replica = try Replica(
                model, images: images, visible: configuration.visiblePatches, precision: precision,
                team: ThreadTeam(count: threads), isTrained: true)
            #expect(plan.activations + plan.scratch + plan.preparedWeights == replica.byteCount)
            let optimizer = try Optimizer(model.layout, rule: .adamW(weightDecay: 0.1))
            #expect(plan.parameters == replica.parameters.bytes.count)
            #expect(plan.gradients == replica.gradients.bytes.count)
            // Two buffers are padded by up to 64 bytes each.
            #expect((1...128).contains(optimizer.momentByteCount - plan.moments))
            configuration.ema = 0.99
            let averaging = try MemoryPlan(configuration, ranks: 1, threads: threads, bucketBytes: 1 << 23)
            let averager = try Optimizer(
                model.layout, rule: .adamW(weightDecay: 0.1), average: WeightAverage(decay: 0.99))
            #expect((1...192).contains(averager.momentByteCount - averaging.moments))
            #expect(averaging.moments - plan.moments == plan.parameters)
            let sum = try LeafSum(leaves: leaves, count: model.layout.bufferCount, wire: .fp32)
            #expect(plan.treeLevels == sum.byteCount)
            #expect(plan.messages == 0)
        }
    }

    /// Moments are divided over the ranks, up to a few blocks; messages need a buffer.
    @Test func ranksShareTheMoments() throws {
        let configuration = try configuration(batch: 64, virtualRanks: 16, microBatch: 1)
        func plan(ranks: Int) throws -> MemoryPlan {
            try MemoryPlan(configuration, ranks: ranks, threads: 1, bucketBytes: 1 << 23)
        }
        let (alone, eight) = (try plan(ranks: 1), try plan(ranks: 8))
        #expect(alone.moments == 2 * alone.parameters)
        let layout = try Model(configuration.model).layout
        let partition = Partition(count: layout.bufferCount, bucketCount: 1 << 21, ranks: 8)
        let counts = (0..<8).map { rank in partition.parts(of: rank).reduce(0) { $0 + $1.count } }
        #expect(counts.reduce(0, +) == layout.bufferCount)
        #expect(counts.allSatisfy { abs(Double(8 * $0) / Double(eight.moments) - 1) < 0.01 })
        let optimizer = try Optimizer(layout, rule: .adamW(weightDecay: 0), parts: partition.parts(of: 0))
        #expect((1...128).contains(optimizer.momentByteCount - eight.moments))
        #expect(alone.treeLevels == 4 * alone.parameters && eight.treeLevels == alone.parameters)
        #expect(eight.messages == 4 * GradientExchange.pieceCount)
        #expect(
            alone.total - eight.total == 2 * (alone.moments - eight.moments) + 3 * alone.parameters - eight.messages)
    }
}

@Suite struct ScalingPlanTests {
    private func plan(
        nodes: Int = 1, _ cluster: ClusterDescription, batch: Int = 256, virtualRanks: Int? = nil,
        microBatch: Int? = nil, bucketMebibytes: Int = 8
    ) throws -> ScalingPlan {
        try ScalingPlan(nodes: nodes, cluster, bucketBytes: bucketMebibytes << 20) { ranks in
            let parts = virtualRanks ?? ranks
            return try configuration(
                batch: batch, virtualRanks: parts,
                microBatch: microBatch
                    ?? TrainingConfiguration.defaultMicroBatch(
                        batchSize: batch, virtualRanks: parts, threads: cluster.threads))
        }
    }

    @Test func singleRankIsBoundByProducts() throws {
        let fast = cluster(memoryBandwidth: 1e12)
        let plan = try plan(fast)
        let operations = try Model(configuration(batch: 1, virtualRanks: 1, microBatch: 1).model)
            .operations(visible: 49).nominal
        let step = plan.run.step
        #expect(abs(step.passSeconds - 256 * operations / 80e9) < 1e-9)
        #expect(step.exposedSeconds == 0 && step.hiddenSeconds == 0)
        #expect(plan.run.stepSeconds > step.passSeconds && plan.run.stepSeconds < 1.01 * step.passSeconds)
        #expect(abs(plan.run.days * 86_400 - 1000 * plan.run.stepSeconds) < 1e-6)
        #expect(abs(plan.run.coreHours - plan.run.days * 24) < 1e-9)
    }

    /// If images do not divide evenly, threads are idle for part of the pass.
    @Test func threadsWithoutImagesAreIdle() throws {
        func passSeconds(threads: Int, microBatch: Int? = nil) throws -> Double {
            try plan(cluster(threads: threads), microBatch: microBatch).run.step.passSeconds
        }
        let eight = try passSeconds(threads: 8)
        #expect(abs(try passSeconds(threads: 1) / eight - 8) < 1e-9)
        // Eight images on 16 threads: half of the threads are idle in two thirds of the pass.
        #expect(abs(try eight / passSeconds(threads: 16, microBatch: 8) - 2 / ((2 * 2 + 1) / 3.0)) < 1e-9)
        // By default, every thread gets one image.
        #expect(abs(try eight / passSeconds(threads: 16) - 2) < 1e-9)
    }

    /// Up to the suggested number of nodes, every doubling pays; the next one does not, or is impossible.
    @Test(arguments: [0.1, 1, 10, 1000], [256, 384])
    func scalingStopsAtTheSuggestedNodes(gigabits: Double, batch: Int) throws {
        let plan = try plan(cluster(gigabits: gigabits), batch: batch)
        #expect(plan.scaling.map(\.step.nodes) == plan.scaling.indices.map { 1 << $0 })
        try #require(plan.payingNodes > 0)
        for run in plan.scaling.dropFirst() where run.step.nodes <= plan.payingNodes {
            #expect(try #require(run.speedup) >= ScalingPlan.payingSpeedup)
        }
        let following = plan.scaling.first { $0.step.nodes == 2 * plan.payingNodes }
        if let following {
            #expect(try #require(following.speedup) < ScalingPlan.payingSpeedup)
            #expect(plan.reason.contains("times as fast"))
        } else {
            #expect(batch % (2 * plan.payingNodes) != 0 && plan.reason.contains("does not divide"))
        }
        // With slow links scaling stops early, with fast links at the batch size.
        if gigabits == 0.1 { #expect(plan.payingNodes < 32) }
        if gigabits == 1000 { #expect(plan.payingNodes == (batch == 256 ? 256 : 128)) }
    }

    /// Buckets expose less of the exchange than a single piece, and a slower link exposes more.
    @Test func overlapAndLinkRateAffectTheExchange() throws {
        func exposed(bucket: Int, gigabits: Double) throws -> Double {
            try plan(nodes: 4, cluster(gigabits: gigabits), bucketMebibytes: bucket).run.step.exposedSeconds
        }
        let (small, large) = (try exposed(bucket: 8, gigabits: 1), try exposed(bucket: 4096, gigabits: 1))
        #expect(small < 0.7 * large)
        #expect(try exposed(bucket: 8, gigabits: 0.5) > 1.5 * small)
    }

    @Test func virtualRanksLimitTheRanks() throws {
        let plan = try plan(cluster(gigabits: 1000), batch: 256, virtualRanks: 16)
        #expect(plan.payingNodes == 16)
        #expect(plan.reason.contains("16 virtual ranks do not divide over 32 ranks"))
    }

    @Test func invalidPlansAreRejected() throws {
        let good = cluster()
        func refuses(_ text: String, _ body: () throws -> ScalingPlan) {
            #expect(performing: { _ = try body() }, throws: { ($0 as? Failure)?.problem.contains(text) == true })
        }
        for nodes in [0, -1, 3, 1 << 20, .max] { refuses("--nodes") { try plan(nodes: nodes, good) } }
        for ranks in [0, 3, 1 << 11] { refuses("--ranks-per-node") { try plan(cluster(ranksPerNode: ranks)) } }
        refuses("threads") { try plan(cluster(threads: 0)) }
        for rate in [0, -1, .nan, .infinity, 1e9] {
            refuses("--gflops") { try plan(cluster(gflops: rate)) }
            refuses("--fraction") { try plan(cluster(fraction: rate)) }
            refuses("--link") { try plan(cluster(gigabits: rate)) }
            refuses("--memory-bandwidth") { try plan(cluster(memoryBandwidth: rate * 1e9)) }
            refuses("--node-bandwidth") { try plan(cluster(nodeBandwidth: rate * 1e9)) }
        }
        refuses("--latency") { try plan(cluster(latency: -1)) }
        refuses("does not divide over 16 ranks") { try plan(nodes: 16, good, batch: 12) }
        refuses("elements") {
            try ScalingPlan(nodes: 1, good, bucketBytes: 8 << 20) { _ in
                var configuration = try configuration(.large, batch: 1 << 40, virtualRanks: 1, microBatch: 1 << 40)
                configuration.batchSize = 1 << 40
                return configuration
            }
        }
    }
}
