import Collectives
import Foundation

/// How long the exchange of gradients and parameters takes (`GradientExchange`). A bucket is looked through for values that are
/// not finite; then, at distance 1, 2, 4, ... two ranks exchange halves of what they still
/// work on, in pieces, and add; the parameters go back the other way. Ranks r ..< 2 r share a node, and so on: distances
/// below the ranks of a node stay inside it, at larger ones all of its ranks send through its link at once.
///
/// With c values to send at distance d, b bytes each, and k = ceil(c / piece) pieces, an exchange takes
///
///     k latency + c b / bandwidth (+ c m / memory bandwidth, when added)
///
/// where the bandwidth between nodes is that of the link over the ranks of a node. In fp32 b = 4, and m = 12, since an addition
/// reads two values and writes one; in bf16 b = 2, and m = 24: rounding what is sent 6 and what is there 8, addition 10.
package struct TreeTimes: Sendable {
    private let cluster: ClusterDescription
    private let distances: [Int]

    /// The tree over `nodes` nodes.
    package init(nodes: Int, _ cluster: ClusterDescription) {
        self.cluster = cluster
        distances = sequence(first: 1) { 2 * $0 }.prefix { $0 < nodes * cluster.ranksPerNode }.map { $0 }
    }

    /// Seconds until every rank has the sum of its part of `count` gradients, sent in precision `wire`.
    package func reduction(count: Int, wire: WireFormat) -> Double {
        guard !distances.isEmpty else { return 0 }
        let check = 4 * Double(count) / cluster.memoryBandwidth
        return check + exchanges(count, bytesSent: wire == .bf16 ? 2 : 4, bytesMoved: wire == .bf16 ? 24 : 12)
    }

    /// Seconds until every rank has all of `count` parameters from those that updated them.
    package func gather(count: Int) -> Double {
        exchanges(count, bytesSent: 4, bytesMoved: 0)
    }

    /// Seconds that the reduction of `buckets`, one after the other by a thread of its own, takes in all, and what of them is
    /// left when the backward pass is over at second `end`: with bucket i ready at t_i and reduced in c_i,
    ///
    ///     exposed = max over i of (t_i + c_i + c_{i+1} + ...) - end
    package func overlap(
        _ buckets: [GradientBucket], wire: WireFormat, until end: Double
    ) -> (whole: Double, exposed: Double) {
        guard !distances.isEmpty else { return (0, 0) }
        var (remaining, last) = (0.0, end)
        for bucket in buckets.reversed() {
            remaining += reduction(count: bucket.count, wire: wire)
            last = max(last, bucket.ready + remaining)
        }
        return (remaining, last - end)
    }

    private func exchanges(_ count: Int, bytesSent: Double, bytesMoved: Double) -> Double {
        var (seconds, part) = (0.0, Double(count))
        for distance in distances {
            part /= 2
            let isInside = distance < cluster.ranksPerNode
            let bandwidth =
                isInside ? cluster.nodeBandwidth : cluster.linkBandwidth / Double(cluster.ranksPerNode)
            let latency = isInside ? ClusterDescription.nodeLatency : cluster.linkLatency
            seconds += (part / Double(GradientExchange.pieceCount)).rounded(.up) * latency
            seconds += part * (bytesSent / bandwidth + bytesMoved / cluster.memoryBandwidth)
        }
        return seconds
    }
}
