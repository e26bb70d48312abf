import Base
import Collectives
import Foundation
import HDF5
import Kernels

/// What a rank finds on its node, before it is judged.
package struct MachineFacts: Codable, Equatable, Sendable {
    /// The host's name.
    package var host = ""
    /// The program's version, and the processor that it was built for.
    package var program = "", builtFor = ""
    /// MPI's name and version.
    package var mpi = ""
    /// The logical processors that this process may use, and all that the host has.
    package var allowedProcessors: [Int] = [], hostProcessors = 0
    /// Instructions that the program may use, and those that the processor has.
    package var usedInstructions: [String] = [], availableInstructions: [String] = []
    /// OpenBLAS and oneDNN.
    package var products: ProductLibraries
    /// HDF5's version, and whether several threads may call it.
    package var hdf5 = "", hdf5IsThreadSafe = false
    /// Memory that is free for programs, in bytes; the least of what the host and the process's control group say.
    package var memoryBytes = 0
    /// Limits in bytes, and of open files; nil where there is none.
    package var lockableBytes: Int?, addressBytes: Int?, openFiles: Int?
    /// How many of the host's processors were busy while this program was at rest.
    package var busyProcessors = 0.0
    /// Whether the host has an InfiniBand or similar adapter.
    package var hasFastAdapter = false
    /// What was found in each directory that was asked for.
    package var directories: [DirectoryFacts] = []
    /// Operations a second of products in fp32 (and bf16, where the processor has it) on all threads, all ranks at work.
    package var productRate = 0.0, bfloat16Rate: Double?

    /// What this process finds without measuring: no rates and no directories.
    package init() {
        products = ProductLibraries.current
        host = hostName()
        program = programVersion
        builtFor = BuildFacts.processor
        mpi = World.mpiVersion
        (allowedProcessors, hostProcessors) = (Self.affinity(), sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        usedInstructions = BuildFacts.instructionSets.filter { $0.isUsed }.map(\.name)
        availableInstructions = BuildFacts.instructionSets.filter { $0.isThere }.map(\.name)
        let library = hdf5Version()
        (hdf5, hdf5IsThreadSafe) = (library.text, library.isThreadSafe)
        memoryBytes = availableMemory() ?? 0
        lockableBytes = Self.limit(Int32(__RLIMIT_MEMLOCK.rawValue))
        addressBytes = Self.limit(Int32(RLIMIT_AS.rawValue))
        openFiles = Self.limit(Int32(RLIMIT_NOFILE.rawValue))
        let adapters = try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/infiniband")
        hasFastAdapter = !(adapters ?? []).isEmpty
    }

    /// As Linux lists them: 0-3,8.
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

/// What a rank finds in a directory that data or runs are to lie in.
package struct DirectoryFacts: Codable, Equatable, Sendable {
    /// Its path.
    package let path: String
    /// What keeps files from being written there; nil where nothing does.
    package var problem: String?
    /// Whether a lock that one process holds keeps others out.
    package var hasLocks = false
    /// Free bytes.
    package var freeBytes = 0

    /// Of the directory at `path`, before anything is known of it.
    package init(path: String) { self.path = path }
}
