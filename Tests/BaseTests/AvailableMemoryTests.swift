import Base
import Foundation
import TestSupport
import Testing

/// cgroup files as on Linux, on a machine with 1,000 MiB of free memory.
@Suite struct AvailableMemoryTests {
    private func available(_ files: [String: String]) throws -> Int? {
        try withTemporaryDirectory { root in
            for (path, text) in files {
                let directory = ("\(root)/\(path)" as NSString).deletingLastPathComponent
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
                try text.write(toFile: "\(root)/\(path)", atomically: true, encoding: .utf8)
            }
            return availableMemory(root: root).map { $0 >> 20 }
        }
    }

    private let machine = ["proc/meminfo": "MemTotal:       4096000 kB\nMemAvailable:   1024000 kB\n"]
    private func mebibytes(_ count: Int) -> String { "\(count << 20)\n" }

    @Test func machineMemoryIsTheLimitWithoutGroups() throws {
        #expect(try available([:]) == nil)
        #expect(try available(machine) == 1000)
        #expect(try available(machine.merging(["proc/self/cgroup": "0::/\n"]) { $1 }) == 1000)
    }

    /// The limit of a job can be on a parent group of its processes. Page cache can be reclaimed.
    @Test func smallestVersion2GroupIsTheLimit() throws {
        let job = "sys/fs/cgroup/slurm/job_7"
        let groups = [
            "proc/self/cgroup": "0::/slurm/job_7/step_0\n", "\(job)/step_0/memory.max": "max\n",
            "\(job)/step_0/memory.current": mebibytes(300), "\(job)/memory.max": mebibytes(800),
            "\(job)/memory.current": mebibytes(500),
            "\(job)/memory.stat": "anon 1\ninactive_file \(60 << 20)\nactive_file \(40 << 20)\n",
            "sys/fs/cgroup/slurm/memory.max": mebibytes(900), "sys/fs/cgroup/slurm/memory.current": mebibytes(450),
        ]
        #expect(try available(machine.merging(groups) { $1 }) == 400)
    }

    @Test func smallestVersion1GroupIsTheLimit() throws {
        let (root, job) = ("sys/fs/cgroup/memory", "sys/fs/cgroup/memory/slurm/job_7")
        let groups = [
            "proc/self/cgroup": "5:devices:/\n4:cpuset,memory:/slurm/job_7\n0::/\n",
            "\(root)/memory.limit_in_bytes": "9223372036854771712\n", "\(root)/memory.usage_in_bytes": mebibytes(1),
            "\(job)/memory.limit_in_bytes": mebibytes(700), "\(job)/memory.usage_in_bytes": mebibytes(500),
            "\(job)/memory.stat": "total_inactive_file \(50 << 20)\n",
        ]
        #expect(try available(machine.merging(groups) { $1 }) == 250)
    }

    /// In a container, the path may be that of the host, while the container's own group is mounted as the root.
    @Test func containerRootGroupIsTheLimit() throws {
        let groups = [
            "proc/self/cgroup": "0::/host/container\n", "sys/fs/cgroup/memory.max": mebibytes(100),
            "sys/fs/cgroup/memory.current": mebibytes(110),
        ]
        #expect(try available(machine.merging(groups) { $1 }) == 0)
    }
}
