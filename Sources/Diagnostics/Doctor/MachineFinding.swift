import Kernels

/// One thing that was looked at.
package struct MachineFinding: Codable, Equatable, Sendable {
    /// How bad it is.
    package enum Verdict: String, Codable, Sendable {
        /// As it should be.
        case good
        /// A run starts, but is slower or less safe than it could be.
        case poor
        /// A run would fail.
        case bad
    }

    /// What was looked at.
    package let subject: String
    /// What was found.
    package let text: String
    /// See `Verdict`.
    package let verdict: Verdict
    /// What to do about it; nil where it is as it should be.
    package let advice: String?

    init(_ subject: String, _ text: String) {
        (self.subject, self.text, verdict, advice) = (subject, text, .good, nil)
    }

    init(_ subject: String, _ text: String, _ verdict: Verdict, _ advice: String) {
        (self.subject, self.text, self.verdict, self.advice) = (subject, text, verdict, advice)
    }
}

/// Judges what each rank found, for runs with `threads` threads a rank.
package func findings(
    in ranks: [MachineFacts], threads: Int, reductionBytesPerSecond: Double
) -> [MachineFinding] {
    guard let first = ranks.first else { return [] }
    let hosts = Dictionary(grouping: ranks.indices) { ranks[$0].host }
    return launching(ranks, hosts) + processor(ranks) + [binding(ranks, hosts, threads: threads)]
        + load(ranks, hosts) + libraries(ranks, first) + memory(ranks, hosts) + directories(ranks, first)
        + speed(ranks, threads: threads, reductionBytesPerSecond)
}
