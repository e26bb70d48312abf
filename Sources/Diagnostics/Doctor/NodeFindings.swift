import Foundation
import Kernels

// What the nodes offer: libraries, memory, directories, speed.

func libraries(_ ranks: [MachineFacts], _ first: MachineFacts) -> [MachineFinding] {
    let products = first.products
    var found: [MachineFinding] = []
    let blas = "OpenBLAS \(products.openBLAS), kernels for \(products.kernel), one thread a caller"
    let isNarrow = ["prescott", "core2", "generic", "nehalem"].contains(products.kernel.lowercased())
    if isNarrow && first.availableInstructions.contains("avx2") {
        let advice = "unset OPENBLAS_CORETYPE, or install an OpenBLAS with DYNAMIC_ARCH"
        found.append(MachineFinding("BLAS", blas, .poor, advice))
    } else {
        found.append(MachineFinding("BLAS", blas))
    }
    let oneDNN =
        "oneDNN \(products.oneDNN) with \(products.instructions), \(products.hasBFloat16 ? "" : "no ")bf16 products"
    let isHeldBack = first.availableInstructions.contains("avx2") && products.instructions == "narrower than avx2"
    found.append(
        isHeldBack
            ? MachineFinding("oneDNN", oneDNN, .poor, "unset DNNL_MAX_CPU_ISA") : MachineFinding("oneDNN", oneDNN))
    if let odd = ranks.firstIndex(where: { $0.products != products }) {
        found.append(
            MachineFinding(
                "libraries", "rank \(odd) on \(ranks[odd].host) computes with other versions or kernels than rank 0",
                .poor,
                "use hosts of one kind for runs that are to have the same bits"))
    }
    found.append(
        first.hdf5IsThreadSafe
            ? MachineFinding("HDF5", "HDF5 \(first.hdf5), thread-safe")
            : MachineFinding(
                "HDF5", "HDF5 \(first.hdf5), not thread-safe", .bad,
                "install an HDF5 built with thread safety (libhdf5-dev)"))
    return found
}

func memory(_ ranks: [MachineFacts], _ hosts: [String: [Int]]) -> [MachineFinding] {
    let shares = hosts.map { host, members in
        (host: host, bytes: (members.map { ranks[$0].memoryBytes }.min() ?? 0) / members.count)
    }
    guard let least = shares.min(by: { $0.bytes < $1.bytes }) else { return [] }
    let text = "\(size(least.bytes)) free for each rank of \(least.host)"
    let advice = "end other programs or use fewer ranks; `crate plan` tells what a model needs"
    var found = [
        least.bytes < 256 << 20
            ? MachineFinding("memory", text, .bad, advice)
            : least.bytes < 1 << 30 ? MachineFinding("memory", text, .poor, advice) : MachineFinding("memory", text)
    ]
    var limits: [String] = []
    for facts in ranks {
        if let files = facts.openFiles, files < 256 { limits.append("\(files) open files on \(facts.host)") }
        if let bytes = facts.addressBytes { limits.append("\(size(bytes)) of addresses on \(facts.host)") }
        if let bytes = facts.lockableBytes, facts.hasFastAdapter, bytes < 1 << 30 {
            limits.append("\(size(bytes)) of locked memory beside a fast adapter on \(facts.host)")
        }
    }
    if let limit = limits.first {
        found.append(
            MachineFinding("limits", limit, .poor, "raise it with ulimit (-n, -v, -l) or in limits.conf on all hosts"))
    } else {
        let (files, locked) = (ranks[0].openFiles.map(String.init), ranks[0].lockableBytes.map(size))
        found.append(
            MachineFinding("limits", "open files: \(files ?? "any"), locked memory: \(locked ?? "any")"))
    }
    return found
}

func directories(_ ranks: [MachineFacts], _ first: MachineFacts) -> [MachineFinding] {
    first.directories.indices.flatMap { index -> [MachineFinding] in
        let path = first.directories[index].path
        let free = "\(size(ranks.map { $0.directories[index].freeBytes }.min() ?? 0)) free"
        if let odd = ranks.firstIndex(where: { $0.directories[index].problem != nil }) {
            let problem = ranks[odd].directories[index].problem ?? ""
            return [
                MachineFinding(
                    "directory", "rank \(odd) on \(ranks[odd].host): \(problem)", .bad,
                    "create \(path) on a file system that all hosts see, and allow writing")
            ]
        }
        if let odd = ranks.firstIndex(where: { !$0.directories[index].hasLocks }) {
            return [
                MachineFinding(
                    "directory", "\(path): locks do not reach rank \(odd) on \(ranks[odd].host), \(free)", .poor,
                    "use a shared file system with flock, or see to it that no two jobs work on one run")
            ]
        }
        return [MachineFinding("directory", "\(path): can be written, locks hold, \(free)")]
    }
}

func speed(_ ranks: [MachineFacts], threads: Int, _ reduction: Double) -> [MachineFinding] {
    var found: [MachineFinding] = []
    for (name, rates) in [("fp32", ranks.map(\.productRate)), ("bf16", ranks.compactMap(\.bfloat16Rate))] {
        guard rates.count == ranks.count, rates.allSatisfy({ $0 > 0 }) else { continue }
        let (slowest, median) = (rates.min() ?? 0, rates.sorted()[rates.count / 2])
        let text = String(
            format: "%@: %.1f GFLOP/s a thread at the least, %.1f in the median", name,
            slowest / Double(threads) * 1e-9,
            median / Double(threads) * 1e-9)
        let odd = rates.firstIndex(of: slowest) ?? 0
        found.append(
            slowest < 0.7 * median
                ? MachineFinding(
                    "products", "\(text); rank \(odd) on \(ranks[odd].host) is slow", .poor,
                    "look for other programs on that host; all ranks wait for the slowest")
                : MachineFinding("products", text))
    }
    let megabytes = String(format: "%.0f MB/s", reduction * 1e-6)
    if ranks.count == 1 {
        found.append(MachineFinding("reduction", "one rank: nothing to reduce; adds vectors in memory at \(megabytes)"))
    } else if reduction < 50e6 {
        found.append(
            MachineFinding(
                "reduction", "a vector is summed over all ranks at \(megabytes)", .poor,
                "choose the fast network, with mpirun --mca btl_tcp_if_include NAME, or give each rank a core"))
    } else {
        found.append(MachineFinding("reduction", "a vector is summed over all ranks at \(megabytes)"))
    }
    return found
}

private func size(_ bytes: Int) -> String {
    bytes < 10 << 30 ? "\(bytes >> 20) MiB" : "\(bytes >> 30) GiB"
}
