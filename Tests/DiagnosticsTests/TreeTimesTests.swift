import Collectives
import CrateModel
import Diagnostics
import Testing

@Suite struct TreeTimesTests {
    /// Compares the formula with the simulation: with all gradients ready at the start, and with buckets that become ready during a
    /// backward pass about as long as the sum, so that part of the sum is exposed.
    @Test(arguments: [2, 4, 8, 16, 32, 64], [1, 8, 64])
    func formulaMatchesTheSimulation(ranks: Int, bucketMebibytes: Int) throws {
        let model = try Model(configuration(batch: 64, virtualRanks: 1, microBatch: 8).model)
        let shares = PassShares(try model.operations(visible: model.configuration.patchCount / 4))
        let setups = [
            (1, WireFormat.fp32, 2e-5), (1, .bf16, 2e-5), (2, .fp32, 2e-5), (8, .fp32, 2e-5), (2, .fp32, 5e-3),
        ]
        for (ranksPerNode, wire, latency) in setups where ranksPerNode <= ranks {
            let (nodes, cluster) = (ranks / ranksPerNode, cluster(ranksPerNode: ranksPerNode, latency: latency))
            let simulation = TreeSimulation(
                nodes: nodes, cluster: cluster, wire: wire)
            let tree = TreeTimes(nodes: nodes, cluster)
            func buckets(_ passSeconds: Double) -> [GradientBucket] {
                shares.buckets(
                    Partition(count: model.layout.bufferCount, bucketCount: bucketMebibytes << 18, ranks: ranks),
                    of: model.layout, passSeconds: passSeconds)
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

    /// Checks the simulation with two nodes of two ranks, with numbers that can be verified manually.
    @Test func simulationMatchesManualNumbers() {
        let cluster = cluster(
            ranksPerNode: 2, gigabits: 8, latency: 0.25, nodeBandwidth: 4e9, memoryBandwidth: 12e9)
        let simulation = TreeSimulation(nodes: 2, cluster: cluster, wire: .fp32)
        let count = 1 << 20
        let (half, quarter) = (Double(count / 2), Double(count / 4))
        // Inside a node: half at its own rate, and added. Between nodes: a quarter, with two ranks per link.
        let inside = ClusterDescription.nodeLatency + half * 4 / 4e9
        let between = 0.25 + quarter * 4 / 0.5e9
        let bucket = GradientBucket(count: count, ready: 3)
        let reduction = simulation.reduction([bucket])
        let check = Double(count) * 4 / 12e9
        #expect(abs(reduction - (3 + check + inside + half * 1e-9 + between + quarter * 1e-9)) < 1e-9)
        #expect(abs(simulation.gather([bucket]) - (inside + between)) < 1e-9)
    }

    @Test func singleRankDoesNotWait() {
        let tree = TreeTimes(nodes: 1, cluster())
        let overlap = tree.overlap([GradientBucket(count: 1 << 20, ready: 1)], wire: .fp32, until: 1)
        #expect(overlap == (0, 0) && tree.gather(count: 1 << 20) == 0)
    }
}

@Suite struct GradientBucketTests {
    /// A bucket is ready when the gradients of the earliest block it contains are complete; if it contains more, at the end.
    @Test(arguments: [1, 3, 1000], [1, 12])
    func bucketsFollowTheBackwardPass(mebibytes: Int, depth: Int) throws {
        let model = try Model(
            ModelConfiguration(
                imageSize: 64, patchSize: 8, dim: 192, depth: depth, heads: 3, normalisesTargets: false))
        let (layout, shares) = (
            model.layout, PassShares(try model.operations(visible: model.configuration.patchCount / 4))
        )
        let partition = Partition(count: layout.bufferCount, bucketCount: mebibytes << 18, ranks: 1)
        let buckets = shares.buckets(partition, of: layout, passSeconds: 10)
        #expect(buckets.map(\.count) == partition.buckets.map(\.count))
        #expect(zip(buckets, buckets.dropFirst()).allSatisfy { $0.ready <= $1.ready })

        // Products of a backward pass, computed manually: T = 65, L = 64, V = 192.
        let (tokens, dim, values) = (65.0, 192.0, 2.0 * 64 * 192 * 192)
        let block = 12 * tokens * dim * dim + 6 * tokens * tokens * dim
        let blockForward = 6 * tokens * dim * dim + 4 * tokens * tokens * dim
        let backward = Double(2 * depth) * block + 2.25 * values
        let whole = backward + Double(2 * depth) * blockForward + 1.25 * values
        #expect(abs(shares.backwardShare - backward / whole) < 1e-12)
        for (bucket, range) in zip(buckets, partition.buckets) {
            let earliest = try #require(layout.parameters.last { $0.offset <= range.lowerBound }).name
            let names = earliest.split(separator: ".")
            let number = names.dropFirst().first.flatMap { Int($0) } ?? -1
            let done: Double
            switch names.first ?? "" {
            case "decoder_pred", "decoder_norm": done = 2 * values + block
            case "decoder_blocks": done = 2 * values + Double(depth - number) * block
            case "norm": done = 2 * values + Double(depth + 1) * block
            case "blocks": done = 2 * values + Double(2 * depth - number) * block
            default: done = backward
            }
            #expect(abs(bucket.ready - 10 * done / whole) < 1e-9, "\(earliest)")
        }
    }
}
