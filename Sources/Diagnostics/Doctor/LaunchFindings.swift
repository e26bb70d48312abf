import Base
import Kernels

// How ranks were started: hosts, program, processors, binding and load.

func launching(_ ranks: [MachineFacts], _ hosts: [String: [Int]]) -> [MachineFinding] {
    let counts = hosts.keys.sorted().map { "\($0): \(hosts[$0]?.count ?? 0)" }
    let shown = counts.prefix(8).joined(separator: ", ") + (counts.count > 8 ? ", ..." : "")
    let text = "\(counted(ranks.count, "rank")) on \(counted(hosts.count, "host")) (\(shown)), \(ranks[0].mpi)"
    var found = [MachineFinding("MPI", text)]
    for (name, value) in [("MPI", \MachineFacts.mpi), ("program", \MachineFacts.program)] {
        guard let odd = ranks.firstIndex(where: { $0[keyPath: value] != ranks[0][keyPath: value] }) else { continue }
        found.append(
            MachineFinding(
                name,
                "rank \(odd) on \(ranks[odd].host) has \(ranks[odd][keyPath: value]), rank 0 has \(ranks[0][keyPath: value])",
                .bad, "install the same \(name) on all hosts"))
    }
    return found
}

func processor(_ ranks: [MachineFacts]) -> [MachineFinding] {
    func missing(_ facts: MachineFacts) -> [String] {
        facts.usedInstructions.filter { !facts.availableInstructions.contains($0) }
    }
    if let odd = ranks.first(where: { !missing($0).isEmpty }) {
        return [
            MachineFinding(
                "processor", "built for \(odd.builtFor); \(odd.host) lacks \(missing(odd).joined(separator: " "))",
                .bad,
                "build for the oldest host, with Launch/build --processor x86-64-v3")
        ]
    }
    let (used, unused) = (ranks[0].usedInstructions, ranks[0].availableInstructions.filter(ranks[0].leavesUnused))
    let text = "built for \(ranks[0].builtFor), uses \(used.isEmpty ? "no wide vectors" : used.joined(separator: " "))"
    let isNarrow = ranks.allSatisfy { !$0.availableInstructions.filter($0.leavesUnused).isEmpty }
    return [
        MachineFinding(
            "processor", isNarrow ? "\(text), not \(unused.joined(separator: " "))" : text, isNarrow ? .poor : .good,
            "build on such a host, or with Launch/build --processor NAME, for wider vectors")
    ]
}

extension MachineFacts {
    fileprivate func leavesUnused(_ instructions: String) -> Bool { !usedInstructions.contains(instructions) }
}

func binding(_ ranks: [MachineFacts], _ hosts: [String: [Int]], threads: Int) -> MachineFinding {
    let advice =
        threads > 1
        ? "mpirun --map-by socket:PE=\(threads), or --bind-to none" : "use fewer ranks, or mpirun --bind-to none"
    for (index, facts) in ranks.enumerated() where facts.allowedProcessors.count < threads {
        return MachineFinding(
            "binding",
            "the \(threads) threads of rank \(index) share \(counted(facts.allowedProcessors.count, "processor")) of \(facts.host)",
            .poor, ranks.count > 1 ? advice : "give the program more processors, or use fewer --threads")
    }
    for (host, members) in hosts.sorted(by: { $0.key < $1.key }) {
        let processors = Set(members.flatMap { ranks[$0].allowedProcessors })
        if processors.count < members.count * threads {
            return MachineFinding(
                "binding",
                "\(members.count * threads) threads of \(counted(members.count, "rank")) share \(counted(processors.count, "processor")) of \(host)",
                .poor, advice)
        }
    }
    let counts = Set(ranks.map { $0.allowedProcessors.count }).sorted().map(String.init).joined(separator: " or ")
    return MachineFinding(
        "binding", "a rank may use \(counts) of \(ranks[0].hostProcessors) processors for \(counted(threads, "thread"))"
    )
}

/// Measured while the ranks themselves are idle.
func load(_ ranks: [MachineFacts], _ hosts: [String: [Int]]) -> [MachineFinding] {
    let loads = hosts.keys.sorted().map { host in
        (host: host, busy: hosts[host]?.map { ranks[$0].busyProcessors }.max() ?? 0)
    }
    guard let most = loads.max(by: { $0.busy < $1.busy }) else { return [] }
    let processors = ranks[hosts[most.host]?.first ?? 0].hostProcessors
    let text = String(
        format: "other programs keep %.1f of %@ of %@ busy", most.busy, counted(processors, "processor"), most.host)
    return [
        MachineFinding(
            "load", text, most.busy < 0.3 ? .good : .poor,
            "stop them, or wait: a step is as slow as the slowest rank")
    ]
}
