import Buffers
import Collectives
import CrateModel
import Files
import Kernels
import Testing
import Threads
import Training

private func cluster(
    ranksPerNode: Int = 1, threads: Int = 1, gflops: Double = 100, fraction: Double = 0.8, gigabits: Double = 10,
    latency: Double = 2e-5, nodeBandwidth: Double = 1e9, memoryBandwidth: Double = 1e10
) -> ClusterDescription {
    ClusterDescription(
        ranksPerNode: ranksPerNode, threads: threads,
        rates: MeasuredRates(productRate: gflops * 1e9, productFraction: fraction),
        linkBandwidth: gigabits * 1e9 / 8, linkLatency: latency, nodeBandwidth: nodeBandwidth,
        memoryBandwidth: memoryBandwidth)
}

private func configuration(
    _ size: ModelSize = .tiny, batch: Int, virtualRanks: Int, microBatch: Int, precision: Precision = .fp32,
    steps: Int = 1000
) throws -> PretrainConfiguration {
    let extents = size.extents
    return PretrainConfiguration(
        model: try ModelConfiguration(
            imageSize: 224, patchSize: 16, dim: extents.dim, depth: extents.depth, heads: extents.heads,
            normalisesTargets: true),
        batchSize: batch, virtualRanks: virtualRanks, microBatch: microBatch, precision: precision,
        schedule: LearningRate(peak: 1e-3, warmupSteps: 10, totalSteps: steps), weightDecay: 0.1, clip: 1,
        maskRatio: 0.75, seed: 0, sampleCount: 100_000)
}

@Suite struct TreeTimesTests {
    /// The formula against the simulation: with all gradients there from the start, and with buckets that become ready during a
    /// backward pass about as long as the sum, so that a part of it is exposed.
    @Test(arguments: [2, 4, 8, 16, 32, 64], [1, 8, 64])
    func theFormulaIsTheSimulation(ranks: Int, bucketMebibytes: Int) throws {
        let model = MaskedAutoencoder(try configuration(batch: 64, virtualRanks: 1, microBatch: 8).model)
        let shares = PassShares(model.configuration, visible: 0.25)
        let setups = [
            (1, Precision.fp32, 2e-5), (1, .bf16, 2e-5), (2, .fp32, 2e-5), (8, .fp32, 2e-5), (2, .fp32, 5e-3),
        ]
        for (ranksPerNode, wire, latency) in setups where ranksPerNode <= ranks {
            let (nodes, cluster) = (ranks / ranksPerNode, cluster(ranksPerNode: ranksPerNode, latency: latency))
            let simulation = TreeSimulation(
                nodes: nodes, cluster: cluster, gradientBytes: wire == .bf16 ? 2 : 4)
            let tree = TreeTimes(nodes: nodes, cluster)
            func buckets(_ passSeconds: Double) -> [GradientBucket] {
                shares.buckets(model.layout, bucketCount: bucketMebibytes << 18, passSeconds: passSeconds)
            }
            func expect(_ planned: Double, _ simulated: Double, _ what: String) {
                #expect(
                    abs(planned / simulated - 1) < 0.05,
                    "\(what): \(planned) s, simulated \(simulated) s, \(ranksPerNode) a node")
            }
            let ready = buckets(0)
            let whole = tree.overlap(ready, wire: wire, until: 0)
            #expect(whole.whole == whole.exposed)
            expect(whole.exposed, simulation.reduction(ready), "all ready")
            expect(ready.reduce(0) { $0 + tree.gather(count: $1.count) }, simulation.gather(ready), "gather")
            let end = shares.backwardShare * whole.whole
            let overlap = tree.overlap(buckets(whole.whole), wire: wire, until: end)
            expect(overlap.exposed, simulation.reduction(buckets(whole.whole)) - end, "behind a backward pass")
        }
    }

    /// The simulation itself: two nodes of two ranks whose numbers can be followed by hand.
    @Test func theSimulationIsWhatOneWritesDown() {
        let cluster = cluster(
            ranksPerNode: 2, gigabits: 8, latency: 0.25, nodeBandwidth: 4e9, memoryBandwidth: 12e9)
        let simulation = TreeSimulation(nodes: 2, cluster: cluster, gradientBytes: 4)
        let count = 1 << 20
        let (half, quarter) = (Double(count / 2), Double(count / 4))
        // Inside: half by a rate of its own, and added. Between: a quarter, two ranks on a link.
        let inside = ClusterDescription.nodeLatency + half * 4 / 4e9
        let between = 0.25 + quarter * 4 / 0.5e9
        let bucket = GradientBucket(count: count, ready: 3)
        let reduction = simulation.reduction([bucket])
        #expect(abs(reduction - (3 + inside + half * 1e-9 + between + quarter * 1e-9)) < 1e-9)
        #expect(abs(simulation.gather([bucket]) - (inside + between)) < 1e-9)
    }

    @Test func oneRankHasNobodyToWaitFor() {
        let tree = TreeTimes(nodes: 1, cluster())
        let overlap = tree.overlap([GradientBucket(count: 1 << 20, ready: 1)], wire: .fp32, until: 1)
        #expect(overlap == (0, 0) && tree.gather(count: 1 << 20) == 0 && tree.smallSum == 0)
    }
}

@Suite struct GradientBucketTests {
    /// Buckets are the whole buffer from its end on, and each is ready when the earliest module that it holds a part of is through.
    @Test(arguments: [1, 3, 1000], [1, 12])
    func bucketsFollowTheBackwardPass(mebibytes: Int, depth: Int) throws {
        let model = MaskedAutoencoder(
            try ModelConfiguration(
                imageSize: 64, patchSize: 8, dim: 192, depth: depth, heads: 3, normalisesTargets: false))
        let (layout, shares) = (model.layout, PassShares(model.configuration, visible: 0.25))
        let buckets = shares.buckets(layout, bucketCount: mebibytes << 18, passSeconds: 10)
        #expect(buckets.reduce(0) { $0 + $1.count } == layout.bufferCount)
        #expect(buckets.dropFirst().allSatisfy { $0.count == mebibytes << 18 })
        #expect(zip(buckets, buckets.dropFirst()).allSatisfy { $0.ready <= $1.ready })

        // Products of a backward pass by hand: T = 65, L = 64, V = 192.
        let (tokens, dim, values) = (65.0, 192.0, 2.0 * 64 * 192 * 192)
        let block = 12 * tokens * dim * dim + 6 * tokens * tokens * dim
        let blockForward = 6 * tokens * dim * dim + 4 * tokens * tokens * dim
        let backward = Double(2 * depth) * block + 2.25 * values
        let whole = backward + Double(2 * depth) * blockForward + 1.25 * values
        #expect(abs(shares.backwardShare - backward / whole) < 1e-12)
        var end = layout.bufferCount
        for bucket in buckets {
            end -= bucket.count
            let earliest = try #require(layout.parameters.last { $0.offset <= end }).name
            let names = earliest.split(separator: ".")
            let done: Double
            switch names[0] {
            case "decoder_pred", "decoder_norm": done = 2 * values
            case "decoder_blocks": done = 2 * values + Double(depth - (Int(names[1]) ?? -1)) * block
            case "norm": done = 2 * values + Double(depth) * block
            case "blocks": done = 2 * values + Double(2 * depth - (Int(names[1]) ?? -1)) * block
            default: done = backward
            }
            #expect(abs(bucket.ready - 10 * done / whole) < 1e-9, "\(earliest)")
        }
        #expect(end == 0)
    }
}

@Suite struct MemoryPlanTests {
    /// Each kind against the bytes that are really allocated for it.
    @Test(arguments: Precision.allCases, [1, 3])
    func memoryIsWhatIsAllocated(precision: Precision, threads: Int) throws {
        for (dim, depth, heads, images, leaves) in [(48, 2, 3, 4, 1), (100, 1, 1, 3, 2), (64, 3, 4, 7, 8)] {
            var configuration = try configuration(
                batch: images * leaves, virtualRanks: leaves, microBatch: images, precision: precision)
            configuration.model = try ModelConfiguration(
                imageSize: 40, patchSize: 8, dim: dim, depth: depth, heads: heads, normalisesTargets: true)
            let plan = try MemoryPlan(configuration, ranks: 1, threads: threads)
            let model = MaskedAutoencoder(configuration.model)
            let workspace = try Workspace(
                model, images: images, precision: precision, team: ThreadTeam(count: threads))
            #expect(plan.activations + plan.scratch + plan.preparedWeights == workspace.byteCount)
            let optimizer = try Optimizer(model.layout, rule: AdamW(weightDecay: 0.1))
            #expect(plan.parameters == optimizer.parameters.bytes.count)
            #expect(plan.gradients == optimizer.gradients.bytes.count)
            #expect(plan.moments == optimizer.momentByteCount)
            #expect(plan.treeLevels == (try LeafSum(leaves: leaves, count: model.layout.bufferCount)).byteCount)
            #expect(plan.messages == 0)
        }
    }

    /// Moments are shared out over the ranks, messages need a piece.
    @Test func ranksShareTheMoments() throws {
        let configuration = try configuration(batch: 64, virtualRanks: 16, microBatch: 1)
        let (alone, eight) = (
            try MemoryPlan(configuration, ranks: 1, threads: 1),
            try MemoryPlan(configuration, ranks: 8, threads: 1)
        )
        #expect(eight.moments == alone.moments / 8 && alone.moments == 2 * alone.parameters)
        #expect(alone.treeLevels == 4 * alone.parameters && eight.treeLevels == alone.parameters)
        #expect(eight.messages == 4 * TreeSum.pieceCount)
        #expect(alone.total - eight.total == alone.moments / 8 * 7 + 3 * alone.parameters - eight.messages)
    }
}

@Suite struct ScalingPlanTests {
    private func plan(
        nodes: Int = 1, _ cluster: ClusterDescription, batch: Int = 256, virtualRanks: Int? = nil, bucket: Int = 8
    ) throws -> ScalingPlan {
        try ScalingPlan(nodes: nodes, cluster, bucketMebibytes: bucket, wire: .fp32) { ranks in
            let parts = virtualRanks ?? ranks
            return try configuration(
                batch: batch, virtualRanks: parts,
                microBatch: PretrainConfiguration.defaultMicroBatch(batchSize: batch, virtualRanks: parts))
        }
    }

    @Test func aRankAloneIsBoundByItsProducts() throws {
        let fast = cluster(memoryBandwidth: 1e12)
        let plan = try plan(fast)
        let operations = try configuration(batch: 1, virtualRanks: 1, microBatch: 1).model.operationsPerImage
        let step = plan.run.step
        #expect(abs(step.passSeconds - 256 * operations / 80e9) < 1e-9)
        #expect(step.exposedSeconds == 0 && step.hiddenSeconds == 0)
        #expect(plan.run.stepSeconds > step.passSeconds && plan.run.stepSeconds < 1.01 * step.passSeconds)
        #expect(abs(plan.run.days * 86_400 - 1000 * plan.run.stepSeconds) < 1e-6)
        #expect(abs(plan.run.coreHours - plan.run.days * 24) < 1e-9)
    }

    /// Images that do not go round leave threads without work for a part of the pass.
    @Test func threadsWithoutImagesWait() throws {
        func passSeconds(threads: Int) throws -> Double {
            try plan(cluster(threads: threads)).run.step.passSeconds
        }
        #expect(abs(try passSeconds(threads: 1) / passSeconds(threads: 8) - 8) < 1e-9)
        // Eight images over 16 threads: half of the threads in two thirds of the pass.
        #expect(abs(try passSeconds(threads: 8) / passSeconds(threads: 16) - 2 / ((2 * 2 + 1) / 3.0)) < 1e-9)
    }

    /// Up to the nodes that pay every doubling is worth it; the next one is not, or cannot be.
    @Test(arguments: [0.1, 1, 10, 1000], [256, 384])
    func scalingStopsWhereItIsSaidToStop(gigabits: Double, batch: Int) throws {
        let plan = try plan(cluster(gigabits: gigabits), batch: batch)
        #expect(plan.scaling.map(\.step.nodes) == plan.scaling.indices.map { 1 << $0 })
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
        // Slow links stop it early, fast ones where the batch ends.
        if gigabits == 0.1 { #expect(plan.payingNodes < 32) }
        if gigabits == 1000 { #expect(plan.payingNodes == (batch == 256 ? 256 : 128)) }
    }

    /// Less of the sum is exposed with buckets than in one piece, and more is when the link is slower.
    @Test func overlapAndLinksTell() throws {
        func exposed(bucket: Int, gigabits: Double) throws -> Double {
            try plan(nodes: 4, cluster(gigabits: gigabits), bucket: bucket).run.step.exposedSeconds
        }
        let (small, large) = (try exposed(bucket: 8, gigabits: 1), try exposed(bucket: 4096, gigabits: 1))
        #expect(small < 0.7 * large)
        #expect(try exposed(bucket: 8, gigabits: 0.5) > 1.5 * small)
    }

    @Test func virtualRanksBoundTheRanks() throws {
        let plan = try plan(cluster(gigabits: 1000), batch: 256, virtualRanks: 16)
        #expect(plan.payingNodes == 16)
        #expect(plan.reason.contains("16 virtual ranks do not divide over 32 ranks"))
    }

    @Test func whatCannotBeIsRefused() throws {
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
        for bucket in [0, 5000, .max] { refuses("--bucket-mb") { try plan(good, bucket: bucket) } }
        refuses("does not divide over 8 ranks") { try plan(nodes: 8, good, batch: 12) }
        refuses("elements") {
            try ScalingPlan(nodes: 1, good, bucketMebibytes: 8, wire: .fp32) { _ in
                var configuration = try configuration(.large, batch: 1 << 40, virtualRanks: 1, microBatch: 1 << 40)
                configuration.batchSize = 1 << 40
                return configuration
            }
        }
    }
}
