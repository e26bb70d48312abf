import Base
import Foundation
import Kernels

/// The cluster of a run: equal nodes, each with one link to all others. Rates are per second.
package struct ClusterDescription: Sendable {
    /// A power of two.
    package var ranksPerNode: Int
    /// Threads per rank, each on its own core.
    package var threads: Int
    /// Per core, with all cores of a node busy.
    package var rates: MeasuredRates
    /// Bytes through the link of a node in each direction, shared by its ranks.
    package var linkBandwidth: Double
    /// Seconds from the start of a message between nodes to its first byte.
    package var linkLatency: Double
    /// Bytes that a rank sends to another rank of its node, while receiving as many.
    package var nodeBandwidth: Double
    /// Bytes that a rank reads and writes in memory.
    package var memoryBandwidth: Double

    /// Seconds from the start of a message within a node to its first byte.
    package static let nodeLatency = 1e-6

    package init(
        ranksPerNode: Int, threads: Int, rates: MeasuredRates, linkBandwidth: Double, linkLatency: Double,
        nodeBandwidth: Double, memoryBandwidth: Double
    ) {
        self.ranksPerNode = ranksPerNode
        self.threads = threads
        self.rates = rates
        self.linkBandwidth = linkBandwidth
        self.linkLatency = linkLatency
        self.nodeBandwidth = nodeBandwidth
        self.memoryBandwidth = memoryBandwidth
    }

    /// Throws `Failure` for values that are invalid or out of range.
    package func validate(nodes: Int) throws {
        try requirePowerOfTwo("--nodes", nodes, upTo: 1 << 16)
        try requirePowerOfTwo("--ranks-per-node", ranksPerNode, upTo: 1 << 10)
        guard (1...1024).contains(threads) else {
            throw Failure("\(threads) threads per rank are outside 1 to 1024", hint: "change --threads")
        }
        try requireRange("--gflops", rates.productRate * 1e-9, from: 0.01, upTo: 1e5, "GFLOP/s a core")
        try requireRange("--fraction", rates.productFraction, from: 0.01, upTo: 1.5, "of the product bound")
        try requireRange("--link", linkBandwidth * 8e-9, from: 0.001, upTo: 1e5, "Gbit/s")
        try requireRange("--latency", linkLatency * 1e6, from: 0, upTo: 1e6, "microseconds")
        try requireRange("--node-bandwidth", nodeBandwidth * 1e-9, from: 0.01, upTo: 1e4, "GB/s")
        try requireRange("--memory-bandwidth", memoryBandwidth * 1e-9, from: 0.01, upTo: 1e4, "GB/s")
    }

    private func requirePowerOfTwo(_ option: String, _ value: Int, upTo largest: Int) throws {
        guard value > 0, value <= largest, value & (value - 1) == 0 else {
            throw Failure(
                "\(option) \(value) is no power of two from 1 to \(largest)",
                hint: "gradients are summed in a tree of 1, 2, 4, ... ranks; --threads takes the other cores")
        }
    }

    private func requireRange(
        _ option: String, _ value: Double, from least: Double, upTo largest: Double, _ unit: String
    ) throws {
        // Tolerates the rounding of unit conversions.
        guard value.isFinite, value >= least * (1 - 1e-9), value <= largest * (1 + 1e-9) else {
            throw Failure(
                String(format: "%@ %g is outside %g to %g %@", option, value, least, largest, unit),
                hint: "check the value and its unit")
        }
    }
}
