import Foundation
import Kernels

// What the nodes offer: libraries, memory, directories, speed.

func libraries(_ ranks: [MachineFacts], _ first: MachineFacts) -> [MachineFinding] {
    let products = first.products
    let kernels = "for \(products.kernels), \(products.hasBFloat16 ? "" : "no ")bf16 products"
    let blas = "OpenBLAS \(products.openBLAS), kernels for \(products.openBLASKernel), single-threaded"
    let hasAVX2 = first.availableInstructions.contains("avx2")
    let isNarrow = ["prescott", "core2", "generic", "nehalem"].contains(products.openBLASKernel.lowercased())
    var found = [
        MachineFinding(
            "BLAS", blas, isNarrow && hasAVX2 ? .poor : .good,
            "unset OPENBLAS_CORETYPE, or install an OpenBLAS with DYNAMIC_ARCH"),
        MachineFinding("kernels", kernels, products.isSlow && hasAVX2 ? .poor : .good, "unset CRATE_KERNELS"),
    ]
    if let odd = ranks.firstIndex(where: { $0.products != products }) {
        found.append(
            MachineFinding(
                "libraries", "rank \(odd) on \(ranks[odd].host) uses other library versions or kernels than rank 0",
                .poor, "use hosts of one kind for bit-identical runs"))
    }
    found.append(
        MachineFinding(
            "HDF5", "HDF5 \(first.hdf5), \(first.hdf5IsThreadSafe ? "" : "not ")thread-safe",
            first.hdf5IsThreadSafe ? .good : .bad, "install an HDF5 built with thread safety (libhdf5-dev)"))
    return found
}

func memory(_ ranks: [MachineFacts], _ hosts: [String: [Int]]) -> [MachineFinding] {
    let shares = hosts.map { host, members in
        (host: host, bytes: (members.map { ranks[$0].memoryBytes }.min() ?? 0) / members.count)
    }
    guard let least = shares.min(by: { $0.bytes < $1.bytes }) else { return [] }
    let text = "\(size(least.bytes)) free for each rank of \(least.host)"
    var found = [
        MachineFinding(
            "memory", text, least.bytes < 256 << 20 ? .bad : least.bytes < 1 << 30 ? .poor : .good,
            "stop other programs or use fewer ranks; `crate plan` shows what a model needs")
    ]
    var limits: [String] = []
    for facts in ranks {
        if let files = facts.openFiles, files < 256 { limits.append("\(files) open files on \(facts.host)") }
        if let bytes = facts.addressBytes { limits.append("\(size(bytes)) of addresses on \(facts.host)") }
        if let bytes = facts.lockableBytes, facts.hasFastAdapter, bytes < 1 << 30 {
            limits.append("\(size(bytes)) of locked memory beside a fast adapter on \(facts.host)")
        }
    }
    let (files, locked) = (ranks[0].openFiles.map(String.init), ranks[0].lockableBytes.map(size))
    found.append(
        MachineFinding(
            "limits", limits.first ?? "open files: \(files ?? "any"), locked memory: \(locked ?? "any")",
            limits.isEmpty ? .good : .poor, "raise it with ulimit (-n, -v, -l) or in limits.conf on all hosts"))
    return found
}

func directories(_ ranks: [MachineFacts], _ first: MachineFacts) -> [MachineFinding] {
    first.directories.indices.map { index in
        let path = first.directories[index].path
        let free = "\(size(ranks.map { $0.directories[index].freeBytes }.min() ?? 0)) free"
        if let odd = ranks.firstIndex(where: { $0.directories[index].problem != nil }) {
            return MachineFinding(
                "directory", "rank \(odd) on \(ranks[odd].host): \(ranks[odd].directories[index].problem ?? "")", .bad,
                "create \(path) on a file system that all hosts see, and allow writing")
        }
        if let odd = ranks.firstIndex(where: { !$0.directories[index].hasLocks }) {
            return MachineFinding(
                "directory", "\(path): locks do not reach rank \(odd) on \(ranks[odd].host), \(free)", .poor,
                "use a shared file system with flock, or make sure that no two jobs use the same run")
        }
        return MachineFinding("directory", "\(path): writable, locks work, \(free)")
    }
}

func speed(_ ranks: [MachineFacts], threads: Int, _ reduction: Double) -> [MachineFinding] {
    var found: [MachineFinding] = []
    for (name, rates) in [("fp32", ranks.map(\.productRate)), ("bf16", ranks.compactMap(\.bfloat16Rate))] {
        guard rates.count == ranks.count, rates.allSatisfy({ $0 > 0 }) else { continue }
        let (slowest, median) = (rates.min() ?? 0, rates.sorted()[rates.count / 2])
        let text = String(
            format: "%@: %.1f GFLOP/s per thread at least, %.1f median", name,
            slowest / Double(threads) * 1e-9, median / Double(threads) * 1e-9)
        let odd = rates.firstIndex(of: slowest) ?? 0
        let isSlow = slowest < 0.7 * median
        found.append(
            MachineFinding(
                "products", isSlow ? "\(text); rank \(odd) on \(ranks[odd].host) is slow" : text,
                isSlow ? .poor : .good,
                "check for other programs on that host; all ranks wait for the slowest"))
    }
    let megabytes = String(format: "%.0f MB/s", reduction * 1e-6)
    found.append(
        ranks.count == 1
            ? MachineFinding("reduction", "one rank: nothing to reduce; adds vectors in memory at \(megabytes)")
            : MachineFinding(
                "reduction", "a vector is summed over all ranks at \(megabytes)", reduction < 50e6 ? .poor : .good,
                "choose the fast network, with mpirun --mca btl_tcp_if_include NAME, or give each rank a core"))
    return found
}

private func size(_ bytes: Int) -> String {
    bytes < 10 << 30 ? "\(bytes >> 20) MiB" : "\(bytes >> 30) GiB"
}
