import Foundation
import Kernels

// What the nodes offer: libraries, memory, directories, speed.

extension MachineFindings {
    mutating func judgeLibraries() {
        let (own, products) = (ranks[0], ranks[0].products)
        let hasAVX2 = own.availableInstructions.contains("avx2")
        let isNarrow = ["prescott", "core2", "generic", "nehalem"].contains(products.openBLASKernel.lowercased())
        add(
            "BLAS", "OpenBLAS \(products.openBLAS), kernels for \(products.openBLASKernel), single-threaded",
            isNarrow && hasAVX2 ? .poor : .good, "unset OPENBLAS_CORETYPE, or install an OpenBLAS with DYNAMIC_ARCH")
        add(
            "kernels", "for \(products.kernels), \(products.hasBFloat16 ? "" : "no ")bf16 products",
            products.isSlow && hasAVX2 ? .poor : .good, "unset CRATE_KERNELS")
        if let (place, _) = first({ $0.products != products }) {
            add(
                "libraries", "\(place) uses other library versions or kernels than rank 0", .poor,
                "use hosts of one kind for bit-identical runs")
        }
        add("HDF5", "HDF5 \(own.hdf5)")
        if let (place, facts) = first({ !$0.missingImageKinds.isEmpty }) {
            add(
                "images", "\(place) cannot decode \(facts.missingImageKinds.joined(separator: ", "))", .poor,
                "if the data have such images, run Launch/setup and build again")
        } else {
            add("images", own.imageLibraries)
        }
    }

    mutating func judgeMemory() {
        let shares = hosts.map { host, members in
            (host: host, bytes: (members.map { ranks[$0].memoryBytes }.min() ?? 0) / members.count)
        }
        guard let least = shares.min(by: { $0.bytes < $1.bytes }) else { return }
        add(
            "memory", "\(size(least.bytes)) free for each rank of \(least.host)",
            least.bytes < 256 << 20 ? .bad : least.bytes < 1 << 30 ? .poor : .good,
            "stop other programs or use fewer ranks; `crate plan` shows what a model needs")
        if let facts = ranks.first(where: { $0.leftMemoryBytes > 0 }) {
            add(
                "memory", "killed jobs left \(size(facts.leftMemoryBytes)) of shared memory on \(facts.host)", .poor,
                "remove it with Launch/remove-leftovers on that host")
        }
        var limits: [String] = []
        for facts in ranks {
            if let files = facts.openFiles, files < 256 { limits.append("\(files) open files on \(facts.host)") }
            if let bytes = facts.addressBytes { limits.append("\(size(bytes)) of addresses on \(facts.host)") }
            if let bytes = facts.lockableBytes, facts.hasFastAdapter, bytes < 1 << 30 {
                limits.append("\(size(bytes)) of locked memory beside a fast adapter on \(facts.host)")
            }
        }
        let (files, locked) = (ranks[0].openFiles.map(String.init), ranks[0].lockableBytes.map(size))
        add(
            "limits", limits.first ?? "open files: \(files ?? "any"), locked memory: \(locked ?? "any")",
            limits.isEmpty ? .good : .poor, "raise it with ulimit (-n, -v, -l) or in limits.conf on all hosts")
    }

    mutating func judgeDirectories() {
        for (index, path) in ranks[0].directories.map(\.path).enumerated() {
            let free = "\(size(ranks.map { $0.directories[index].freeBytes }.min() ?? 0)) free"
            if let (place, facts) = first({ $0.directories[index].problem != nil }) {
                add(
                    "directory", "\(place): \(facts.directories[index].problem ?? "")", .bad,
                    "create \(path) on a file system that all hosts see, and allow writing")
            } else if let (place, _) = first({ !$0.directories[index].hasLocks }) {
                add(
                    "directory", "\(path): locks do not reach \(place), \(free)", .poor,
                    "use a shared file system with flock, or make sure that no two jobs use the same run")
            } else {
                add("directory", "\(path): writable, locks work, \(free)")
            }
        }
    }

    mutating func judgeSpeed(_ reduction: Double) {
        for (name, rates) in [("fp32", ranks.map(\.productRate)), ("bf16", ranks.compactMap(\.bfloat16Rate))] {
            guard rates.count == ranks.count, rates.allSatisfy({ $0 > 0 }) else { continue }
            let (slowest, median) = (rates.min() ?? 0, rates.sorted()[rates.count / 2])
            let text = String(
                format: "%@: %.1f GFLOP/s per thread at least, %.1f median", name,
                slowest / Double(threads) * 1e-9, median / Double(threads) * 1e-9)
            let odd = rates.firstIndex(of: slowest) ?? 0
            let isSlow = slowest < 0.7 * median
            add(
                "products", isSlow ? "\(text); rank \(odd) on \(ranks[odd].host) is slow" : text,
                isSlow ? .poor : .good, "check for other programs on that host; all ranks wait for the slowest")
        }
        let rate = String(format: "%.0f MB/s", reduction * 1e-6)
        if ranks.count == 1 {
            add("reduction", "one rank: nothing to reduce; adds vectors in memory at \(rate)")
        } else {
            add(
                "reduction", "a vector is summed over all ranks at \(rate)", reduction < 50e6 ? .poor : .good,
                "choose the fast network, with mpirun --mca btl_tcp_if_include NAME, or give each rank a core")
        }
    }
}

private func size(_ bytes: Int) -> String {
    bytes < 10 << 30 ? "\(bytes >> 20) MiB" : "\(bytes >> 30) GiB"
}
