import Kernels

package struct MachineFinding: Codable, Equatable, Sendable {
    package enum Verdict: String, Codable, Sendable {
        case good
        /// A run starts, but is slower or less safe than it could be.
        case poor
        /// A run would fail.
        case bad
    }

    package let subject: String
    package let text: String
    package let verdict: Verdict
    /// Nil if the verdict is good.
    package let advice: String?

    init(_ subject: String, _ text: String, _ verdict: Verdict = .good, _ advice: String? = nil) {
        (self.subject, self.text, self.verdict) = (subject, text, verdict)
        self.advice = verdict == .good ? nil : advice
    }
}

/// Judges the facts of all ranks, for runs with `threads` threads per rank.
package func findings(
    in ranks: [MachineFacts], threads: Int, reductionBytesPerSecond: Double
) -> [MachineFinding] {
    guard let first = ranks.first else { return [] }
    let hosts = Dictionary(grouping: ranks.indices) { ranks[$0].host }
    return launching(ranks, hosts) + processor(ranks) + [binding(ranks, hosts, threads: threads)]
        + load(ranks, hosts) + libraries(ranks, first) + memory(ranks, hosts) + directories(ranks, first)
        + speed(ranks, threads: threads, reductionBytesPerSecond)
}
