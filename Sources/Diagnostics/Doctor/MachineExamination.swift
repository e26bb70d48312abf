import Base
import Collectives
import Foundation
import HDF5
import Images
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
    facts.leftMemoryBytes = leftMemoryBytes()
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
            let rate = try? productRate(dim: 768, rows: 8 * 197, precision, .fastest, repetitions: 2)
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
    // A name that nobody can foresee, the same on all ranks.
    let name = String(world.broadcast(Int.random(in: 0...(.max)), from: 0), radix: 16)
    let (lockPath, ownPath) = ("\(path)/.crate-doctor-\(name)", "\(path)/.crate-doctor-\(name)-\(world.rank)")
    do {
        try DurableFile.write([UInt8]("doctor".utf8), to: ownPath)
        unlink(ownPath)
    } catch {
        facts.problem = Failure(from: error).problem
    }
    facts.freeBytes = freeBytes(in: path)
    // Rank 0 holds the lock while the other ranks, and rank 0 through a second descriptor, request it.
    let descriptor = world.rank == 0 ? open(lockPath, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) : -1
    let isHeld = descriptor >= 0 && askForLock(on: descriptor) == .granted
    world.barrier()
    let second = open(lockPath, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
    let isRefused = second >= 0 && askForLock(on: second) == .refused
    facts.hasLocks = isRefused && (world.rank > 0 || isHeld)
    if second >= 0 { close(second) }
    world.barrier()
    if descriptor >= 0 { close(descriptor) }
    if descriptor >= 0 { unlink(lockPath) }
    return facts
}

private let fastAdapters = "/sys/class/infiniband"

/// What a rank finds on its node, before it is judged.
package struct MachineFacts: Codable, Equatable, Sendable {
    package var host = hostName()
    /// The program's version, and the processor it was built for.
    package var program = programVersion, builtFor = BuildFacts.processor
    package var mpi = World.mpiVersion
    /// The logical processors that this process may use, and the number of all in the host.
    package var allowedProcessors = Self.affinity(), hostProcessors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    /// Instruction sets that the program uses, and those of the processor.
    package var usedInstructions = BuildFacts.instructionSets.filter { $0.isUsed }.map(\.name)
    package var availableInstructions = BuildFacts.instructionSets.filter { $0.isThere }.map(\.name)
    /// CKernels and OpenBLAS.
    package var products = ProductLibraries.current
    package var hdf5 = hdf5Version()
    /// The image libraries that the program can be built without, and the kinds of images that it cannot decode.
    package var imageLibraries = ImageKind.libraries, missingImageKinds = ImageKind.missing.map(\.rawValue)
    /// Free memory in bytes: the smaller of the host's and that of the process's control group.
    package var memoryBytes = availableMemory() ?? 0
    /// Limits in bytes, and of open files; nil if unlimited.
    package var lockableBytes = Self.limit(Int32(__RLIMIT_MEMLOCK.rawValue))
    package var addressBytes = Self.limit(Int32(RLIMIT_AS.rawValue))
    package var openFiles = Self.limit(Int32(RLIMIT_NOFILE.rawValue))
    /// How many of the host's processors were busy while this program was idle.
    package var busyProcessors = 0.0
    /// Shared memory that killed jobs left on the host.
    package var leftMemoryBytes = 0
    /// Whether the host has an InfiniBand or similar adapter.
    package var hasFastAdapter = (try? FileManager.default.contentsOfDirectory(atPath: fastAdapters))?.first != nil
    package var directories: [DirectoryFacts] = []
    /// Operations per second of products in fp32 (and bf16, if supported) on all threads, while all ranks measure.
    package var productRate = 0.0, bfloat16Rate: Double?

    /// Everything that needs no measurement: no rates and no directories.
    package init() {}

    /// Parses the kernel's list, such as 0-3,8.
    private static func affinity() -> [Int] {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        let list = line?.split(whereSeparator: \.isWhitespace).last ?? ""
        return list.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }

    private static func limit(_ resource: Int32) -> Int? {
        var limits = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(resource)), &limits) == 0, limits.rlim_cur < 1 << 62 else {
            return nil
        }
        return Int(limits.rlim_cur)
    }
}

/// What a rank finds in a directory for data or runs.
package struct DirectoryFacts: Codable, Equatable, Sendable {
    package let path: String
    /// Why files cannot be written there; nil if they can.
    package var problem: String?
    /// Whether a lock held by one process keeps others out.
    package var hasLocks = false
    package var freeBytes = 0

    package init(path: String) { self.path = path }
}

/// How many of the host's processors are busy, with any program, over `seconds` seconds of waiting. 0 if unknown.
func busyProcessors(over seconds: Double) -> Double {
    guard let before = processorTimes() else { return 0 }
    Thread.sleep(forTimeInterval: seconds)
    guard let after = processorTimes(), after.total > before.total else { return 0 }
    let idle = Double(after.idle - before.idle) / Double(after.total - before.total)
    return max(0, 1 - idle) * Double(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}

/// Ticks of all processors since boot, from the first line of /proc/stat; its fourth and fifth numbers are idle time.
private func processorTimes() -> (idle: Int, total: Int)? {
    let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
    let numbers = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().compactMap { Int($0) }
    guard numbers.count >= 5 else { return nil }
    // Guest ticks, after the eighth number, are already included in the first two.
    return (numbers[3] + numbers[4], numbers.prefix(8).reduce(0, &+))
}
