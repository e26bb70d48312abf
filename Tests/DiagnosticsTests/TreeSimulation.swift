import Collectives
import Diagnostics
import Kernels

/// Simulates the exchange of gradients and parameters, message by message. Every rank performs its exchanges in order. An
/// exchange starts when both partners have reached it, and concurrent messages share the links of the nodes
/// equally.
struct TreeSimulation {
    let nodes: Int
    let cluster: ClusterDescription
    let wire: WireFormat

    private enum Action {
        case wait(until: Double)
        case exchange(partner: Int, sending: Double)
        case work(Double)
    }

    private struct Message {
        let from, to: Int
        var bytesLeft: Double
        var start: Double
    }

    private var ranks: Int { nodes * cluster.ranksPerNode }

    /// The time in seconds at which the last rank has its part of the sum of all buckets.
    func reduction(_ buckets: [GradientBucket]) -> Double {
        play { rank in
            buckets.flatMap { bucket in
                [.wait(until: bucket.ready), .work(Double(4 * bucket.count) / cluster.memoryBandwidth)]
                    + exchanges(rank, count: bucket.count, isGathering: false)
            }
        }
    }

    /// The time in seconds until all ranks have all parameters.
    func gather(_ buckets: [GradientBucket]) -> Double {
        play { rank in buckets.flatMap { exchanges(rank, count: $0.count, isGathering: true) } }
    }

    /// Splits in half by blocks of 4096; the upper half is the larger one. Gathering runs in reverse.
    private func exchanges(_ rank: Int, count: Int, isGathering: Bool) -> [Action] {
        var (whole, steps): (Range<Int>, [[Action]]) = (0..<count, [])
        var distance = 1
        while distance < ranks {
            let middle = min(whole.lowerBound + (whole.count + 4095) / 4096 / 2 * 4096, whole.upperBound)
            let (lower, upper) = (whole.lowerBound..<middle, middle..<whole.upperBound)
            let (own, other) = rank & distance == 0 ? (lower, upper) : (upper, lower)
            let (sending, receiving) = isGathering ? (own, other) : (other, own)
            var actions: [Action] = []
            for start in stride(from: 0, to: max(own.count, other.count), by: GradientExchange.pieceCount) {
                let sent = max(0, min(GradientExchange.pieceCount, sending.count - start))
                let received = max(0, min(GradientExchange.pieceCount, receiving.count - start))
                let isRounded = !isGathering && wire == .bf16
                // Rounding reads 4 bytes and writes 2, or 4 in place; adding reads both and writes 4.
                if isRounded { actions.append(.work(Double(6 * sent) / cluster.memoryBandwidth)) }
                actions.append(.exchange(partner: rank ^ distance, sending: Double(sent) * (isRounded ? 2 : 4)))
                let moved = isGathering ? 0 : isRounded ? 8 + 10 : 12
                actions.append(.work(Double(received * moved) / cluster.memoryBandwidth))
            }
            steps.append(actions)
            whole = own
            distance *= 2
        }
        return (isGathering ? steps.reversed() : steps).flatMap { $0 }
    }

    private func node(_ rank: Int) -> Int { rank / cluster.ranksPerNode }

    private func play(_ script: (Int) -> [Action]) -> Double {
        var scripts = (0..<ranks).map { Array(script($0).reversed()) }
        var wakes = [Double?](repeating: nil, count: ranks)  // when a rank finishes waiting or working
        var posted = [Double?](repeating: nil, count: ranks)  // bytes of the exchange it has reached
        var open = [Int](repeating: 0, count: ranks)  // pending messages of its exchange
        var messages: [Message] = []
        var now = 0.0

        func advance(_ rank: Int) {
            guard wakes[rank] == nil, open[rank] == 0, posted[rank] == nil, let action = scripts[rank].popLast() else {
                return
            }
            switch action {
            case .wait(let second):
                wakes[rank] = max(now, second)
            case .work(let seconds):
                wakes[rank] = now + seconds
            case .exchange(let partner, let bytes):
                posted[rank] = bytes
                guard let theirs = posted[partner] else { return }
                let isInside = node(rank) == node(partner)
                let start = now + (isInside ? ClusterDescription.nodeLatency : cluster.linkLatency)
                messages.append(Message(from: rank, to: partner, bytesLeft: bytes, start: start))
                messages.append(Message(from: partner, to: rank, bytesLeft: theirs, start: start))
                (posted[rank], posted[partner], open[rank], open[partner]) = (nil, nil, 2, 2)
            }
        }

        for rank in 0..<ranks { advance(rank) }
        while true {
            // Concurrent messages share the links; a message is limited by the busier of its two links.
            let flowing = messages.indices.filter { messages[$0].start <= now }
            var (leaving, arriving) = ([Int](repeating: 0, count: nodes), [Int](repeating: 0, count: nodes))
            for message in flowing.map({ messages[$0] }) where node(message.from) != node(message.to) {
                leaving[node(message.from)] += 1
                arriving[node(message.to)] += 1
            }
            func rate(_ message: Message) -> Double {
                let (from, to) = (node(message.from), node(message.to))
                return from == to
                    ? cluster.nodeBandwidth : cluster.linkBandwidth / Double(max(leaving[from], arriving[to]))
            }
            let rates = flowing.map { rate(messages[$0]) }
            // Advance to the next event.
            var next = Double.infinity
            for message in messages where message.start > now { next = min(next, message.start) }
            for wake in wakes { next = min(next, wake ?? .infinity) }
            for (index, rate) in zip(flowing, rates) { next = min(next, now + messages[index].bytesLeft / rate) }
            guard next < .infinity else { return now }
            for (index, rate) in zip(flowing, rates) { messages[index].bytesLeft -= (next - now) * rate }
            now = next
            for message in messages where message.start <= now && message.bytesLeft <= 1e-3 {
                open[message.from] -= 1
                open[message.to] -= 1
            }
            messages.removeAll { $0.start <= now && $0.bytesLeft <= 1e-3 }
            for rank in 0..<ranks where (wakes[rank] ?? .infinity) <= now { wakes[rank] = nil }
            for rank in 0..<ranks { advance(rank) }
        }
    }
}
