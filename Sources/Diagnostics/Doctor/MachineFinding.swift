import Base
import Foundation

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
}

/// Judges the facts of all ranks, for runs with `threads` threads per rank.
package func findings(in ranks: [MachineFacts], threads: Int, reductionBytesPerSecond: Double) -> [MachineFinding] {
    guard !ranks.isEmpty else { return [] }
    let hosts = Dictionary(grouping: ranks.indices) { ranks[$0].host }
    var found = MachineFindings(ranks: ranks, hosts: hosts, threads: threads)
    found.judgeLaunch()
    found.judgeProcessor()
    found.judgeBinding()
    found.judgeLoad()
    found.judgeLibraries()
    found.judgeMemory()
    found.judgeDirectories()
    found.judgeSpeed(reductionBytesPerSecond)
    return found.list
}

struct MachineFindings {
    let ranks: [MachineFacts]
    /// The ranks of each host.
    let hosts: [String: [Int]]
    let threads: Int
    var list: [MachineFinding] = []

    mutating func add(
        _ subject: String, _ text: String, _ verdict: MachineFinding.Verdict = .good, _ advice: String? = nil
    ) {
        let advice = verdict == .good ? nil : advice
        list.append(MachineFinding(subject: subject, text: text, verdict: verdict, advice: advice))
    }

    /// The first rank whose facts are `odd`, and where it is.
    func first(_ odd: (MachineFacts) -> Bool) -> (place: String, facts: MachineFacts)? {
        ranks.firstIndex(where: odd).map { ("rank \($0) on \(ranks[$0].host)", ranks[$0]) }
    }
}

// How ranks were started: hosts, program, processors, binding and load.
extension MachineFindings {
    fileprivate mutating func judgeLaunch() {
        let counts = hosts.keys.sorted().map { "\($0): \(hosts[$0]?.count ?? 0)" }
        let shown = counts.prefix(8).joined(separator: ", ") + (counts.count > 8 ? ", ..." : "")
        add("MPI", "\(counted(ranks.count, "rank")) on \(counted(hosts.count, "host")) (\(shown)), \(ranks[0].mpi)")
        for (name, value) in [("MPI", \MachineFacts.mpi), ("program", \MachineFacts.program)] {
            let own = ranks[0][keyPath: value]
            guard let (place, facts) = first({ $0[keyPath: value] != own }) else { continue }
            add(
                name, "\(place) has \(facts[keyPath: value]), rank 0 has \(own)", .bad,
                "install the same \(name) on all hosts")
        }
    }

    fileprivate mutating func judgeProcessor() {
        if let (_, odd) = first({ !$0.missingInstructions.isEmpty }) {
            let missing = odd.missingInstructions.joined(separator: " ")
            return add(
                "processor", "built for \(odd.builtFor); \(odd.host) lacks \(missing)", .bad,
                "build for the oldest host, with Launch/build --processor x86-64-v3")
        }
        let (used, unused) = (ranks[0].usedInstructions, ranks[0].unusedInstructions)
        let wide = used.isEmpty ? "no wide vectors" : used.joined(separator: " ")
        let text = "built for \(ranks[0].builtFor), uses \(wide)"
        let isNarrow = ranks.allSatisfy { !$0.unusedInstructions.isEmpty }
        add(
            "processor", isNarrow ? "\(text), not \(unused.joined(separator: " "))" : text, isNarrow ? .poor : .good,
            "build on such a host, or with Launch/build --processor NAME, for wider vectors")
    }

    fileprivate mutating func judgeBinding() {
        let advice =
            threads > 1
            ? "mpirun --map-by socket:PE=\(threads), or --bind-to none" : "use fewer ranks, or mpirun --bind-to none"
        for (index, facts) in ranks.enumerated() where facts.allowedProcessors.count < threads {
            let processors = counted(facts.allowedProcessors.count, "processor")
            return add(
                "binding", "the \(threads) threads of rank \(index) share \(processors) of \(facts.host)", .poor,
                ranks.count > 1 ? advice : "give the program more processors, or use fewer --threads")
        }
        for (host, members) in hosts.sorted(by: { $0.key < $1.key }) {
            let processors = Set(members.flatMap { ranks[$0].allowedProcessors }).count
            guard processors < members.count * threads else { continue }
            let (running, shared) = (counted(members.count, "rank"), counted(processors, "processor"))
            return add(
                "binding", "\(members.count * threads) threads of \(running) share \(shared) of \(host)", .poor, advice)
        }
        let counts = Set(ranks.map(\.allowedProcessors.count)).sorted().map(String.init).joined(separator: " or ")
        let needed = counted(threads, "thread")
        add("binding", "a rank may use \(counts) of \(ranks[0].hostProcessors) processors for \(needed)")
    }

    /// Measured while the ranks themselves are idle.
    fileprivate mutating func judgeLoad() {
        let loads = hosts.sorted { $0.key < $1.key }.map { host, members in
            (facts: ranks[members[0]], busy: members.map { ranks[$0].busyProcessors }.max() ?? 0)
        }
        guard let most = loads.max(by: { $0.busy < $1.busy }) else { return }
        let processors = counted(most.facts.hostProcessors, "processor")
        add(
            "load", String(format: "other programs keep %.1f of %@ of %@ busy", most.busy, processors, most.facts.host),
            most.busy < 0.3 ? .good : .poor, "stop them, or wait: a step is as slow as the slowest rank")
    }
}

extension MachineFacts {
    fileprivate var missingInstructions: [String] { usedInstructions.filter { !availableInstructions.contains($0) } }
    fileprivate var unusedInstructions: [String] { availableInstructions.filter { !usedInstructions.contains($0) } }
}
