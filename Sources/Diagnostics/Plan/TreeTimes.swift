import Collectives
import Foundation

/// The time to exchange gradients and parameters (`GradientExchange`). A bucket is first checked for values that are
/// not finite. Then, at distance 1, 2, 4, ..., two ranks exchange halves of their current range in pieces and add; the
/// parameters return in the opposite order. Ranks r ..< 2 r share a node, and so on: distances below the number of
/// ranks per node stay within it, at larger ones all of its ranks send through its link at once.
///
/// With c values to send, b bytes each, in k = ceil(c / piece) pieces, an exchange takes
///
///     k latency + c b / bandwidth (+ c m / memory bandwidth, if added)
///
/// where the bandwidth between nodes is that of the link divided by the ranks per node. In fp32 b = 4 and m = 12, since
/// an addition reads two values and writes one; in bf16 b = 2 and m = 24: 6 for rounding what is sent, 8 for rounding
/// the own values, 10 for the addition.
package struct TreeTimes: Sendable {
    private let cluster: ClusterDescription
    private let distances: [Int]

    package init(nodes: Int, _ cluster: ClusterDescription) {
        self.cluster = cluster
        distances = sequence(first: 1) { 2 * $0 }.prefix { $0 < nodes * cluster.ranksPerNode }.map { $0 }
    }

    /// Seconds until every rank has the sum of its part of `count` gradients, sent as `wire`.
    package func reduction(count: Int, wire: WireFormat) -> Double {
        guard !distances.isEmpty else { return 0 }
        let check = 4 * Double(count) / cluster.memoryBandwidth
        return check + exchanges(count, bytesSent: wire == .bf16 ? 2 : 4, bytesMoved: wire == .bf16 ? 24 : 12)
    }

    /// Seconds until every rank has all of `count` updated parameters.
    package func gather(count: Int) -> Double {
        exchanges(count, bytesSent: 4, bytesMoved: 0)
    }

    /// Seconds to reduce `buckets` one after the other on a separate thread, and the part of it after the end of the
    /// backward pass at second `end`. With bucket i ready at t_i and reduced in c_i:
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
