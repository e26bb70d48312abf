import Base
import Collectives
import Foundation
import Kernels

package struct MachineReport: Codable, Sendable {
    package let ranks: [MachineFacts]
    /// The rate of summing a vector over all ranks (MPI_Allreduce); with one rank, of adding two vectors in memory.
    package let reductionBytesPerSecond: Double
    package let findings: [MachineFinding]
}

/// Checks for what could keep a run of these ranks from starting or from being fast, and measures products and a
/// reduction for about `seconds` seconds. Collective: all ranks return the report.
package func examineMachines(
    directories: [String], threads: Int, seconds: Double, world: World
) throws -> MachineReport {
    var facts = MachineFacts()
    facts.busyProcessors = busyProcessors(over: 0.5)
    for path in directories { facts.directories.append(examine(path, world)) }
    let hasBFloat16 = world.minimum(facts.products.hasBFloat16 ? 1 : 0) == 1
    let team = ThreadTeam(count: threads)
    let time = seconds / (hasBFloat16 ? 3 : 2)
    // On a processor that lacks instructions the measurement would crash.
    if world.minimum(Set(facts.usedInstructions).isSubset(of: facts.availableInstructions) ? 1 : 0) == 1 {
        facts.productRate = try measureProducts(.fp32, team, seconds: time, world)
        if hasBFloat16 {
            facts.bfloat16Rate = try measureProducts(.bf16, team, seconds: time, world)
        }
    }
    let reduction = try measureReduction(seconds: time, world)
    let encoded = try world.agree { [UInt8](try JSONEncoder().encode(facts)) }
    let ranks = try world.gather(encoded).map { try JSONDecoder().decode(MachineFacts.self, from: Data($0)) }
    return MachineReport(
        ranks: ranks, reductionBytesPerSecond: reduction,
        findings: findings(in: ranks, threads: threads, reductionBytesPerSecond: reduction))
}

/// The best rate of each thread in `seconds` seconds.
private func measureProducts(
    _ precision: Precision, _ team: ThreadTeam, seconds: Double, _ world: World
) throws -> Double {
    try measureProducts(team, world) {
        let end = ContinuousClock.now + .seconds(seconds)
        var best: Double?
        repeat {
            // The products of size Base over a micro-batch; nil if memory is short.
            let rate = try? productRate(dim: 768, rows: 8 * 197, format: precision.format, repetitions: 2)
            best = [best, rate].compactMap(\.self).max()
        } while ContinuousClock.now < end
        return best
    }
}

private func measureReduction(seconds: Double, _ world: World) throws -> Double {
    let count = 8 << 20
    // Two vectors of zeros, since repeated sums of them stay finite.
    let vectors = try world.agree { try OwnedBuffer<Float>(count: 2 * count) }
    let (own, other) = (vectors.pointer, vectors.pointer + count)
    func round() {
        if world.size > 1 {
            world.sum(own, count: count)
        } else {
            add(own, Operand(other), count: count, into: own)
        }
    }
    round()
    var watch = Stopwatch()
    round()
    // The same number of rounds on every rank.
    let rounds = world.broadcast(max(1, min(10_000, Int(seconds / max(watch.lap(), 1e-4)))), from: 0)
    for _ in 0..<rounds { round() }
    return Double(vectors.bytes.count / 2 * rounds) / watch.lap()
}

/// Whether files can be written to the directory `path`, and whether locks hold between ranks.
private func examine(_ path: String, _ world: World) -> DirectoryFacts {
    var facts = DirectoryFacts(path: path)
    let lockPath = "\(path)/.crate-doctor-lock"
    do {
        try DurableFile.write([UInt8]("doctor".utf8), to: "\(path)/.crate-doctor-\(world.rank)")
    } catch {
        facts.problem = Failure(from: error).problem
    }
    unlink("\(path)/.crate-doctor-\(world.rank)")
    facts.freeBytes = freeBytes(in: path)
    // Rank 0 holds the lock while the other ranks, and rank 0 through a second descriptor, request it.
    let descriptor = world.rank == 0 ? open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) : -1
    let isHeld = descriptor >= 0 && askForLock(on: descriptor) == .granted
    world.barrier()
    let second = open(lockPath, O_RDWR | O_CLOEXEC)
    let isRefused = second >= 0 && askForLock(on: second) == .refused
    facts.hasLocks = isRefused && (world.rank > 0 || isHeld)
    if second >= 0 { close(second) }
    world.barrier()
    if descriptor >= 0 { close(descriptor) }
    if world.rank == 0 { unlink(lockPath) }
    return facts
}
