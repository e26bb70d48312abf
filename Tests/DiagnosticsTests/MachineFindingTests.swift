import Diagnostics
import Kernels
import Testing

/// Synthetic machines with one problem each, and the finding that reports it.
@Suite struct MachineFindingTests {
    /// Two ranks of two threads on one host, each rank with its own cores, without any problem.
    private var sound: [MachineFacts] {
        (0..<2).map { rank in
            var facts = MachineFacts()
            facts.host = "node-a"
            facts.allowedProcessors = [2 * rank, 2 * rank + 1]
            facts.hostProcessors = 4
            facts.usedInstructions = ["avx2"]
            facts.availableInstructions = ["avx2"]
            facts.memoryBytes = 16 << 30
            (facts.lockableBytes, facts.addressBytes, facts.openFiles) = (nil, nil, 1024)
            facts.productRate = 180e9
            facts.bfloat16Rate = nil
            facts.missingImageKinds = []
            var directory = DirectoryFacts(path: "runs")
            directory.hasLocks = true
            facts.directories = [directory]
            return facts
        }
    }

    private func found(_ ranks: [MachineFacts], reduction: Double = 1e9) -> [MachineFinding] {
        findings(in: ranks, threads: 2, reductionBytesPerSecond: reduction).filter { $0.verdict != .good }
    }

    /// Applying `change` to rank 1 gives exactly one finding, on `subject`, with `words` in its text or advice.
    private func expect(
        _ verdict: MachineFinding.Verdict, _ subject: String, _ words: String, _ change: (inout MachineFacts) -> Void
    ) {
        var ranks = sound
        change(&ranks[1])
        let found = found(ranks)
        #expect(found.map(\.subject) == [subject], "\(found)")
        #expect(found.first?.verdict == verdict)
        let said = (found.first?.text ?? "") + " " + (found.first?.advice ?? "")
        #expect(said.contains(words), "\(found)")
    }

    @Test func healthyMachinesGiveNoFindings() {
        #expect(found(sound).isEmpty)
    }

    @Test func problemsAreReportedWithTheirRank() {
        expect(.poor, "images", "rank 1 on node-a cannot decode WebP, TIFF") {
            $0.missingImageKinds = ["WebP", "TIFF"]
        }
        expect(.poor, "binding", "the 2 threads of rank 1 share 1 processor") { $0.allowedProcessors = [2] }
        expect(.poor, "binding", "4 threads of 2 ranks share 2 processors of node-a") { $0.allowedProcessors = [0, 1] }
        expect(.bad, "MPI", "rank 1 on node-a has Open MPI v9") { $0.mpi = "Open MPI v9" }
        expect(.bad, "program", "rank 1") { $0.program = "9.9" }
        expect(.bad, "processor", "node-a lacks avx512f") { $0.usedInstructions = ["avx2", "avx512f"] }
        expect(.poor, "libraries", "rank 1") { $0.products.kernels = "another" }
        expect(.poor, "load", "other programs keep 1.5 of 4 processors of node-a busy") { $0.busyProcessors = 1.5 }
        expect(.poor, "memory", "512 MiB") { $0.memoryBytes = 1 << 30 }
        expect(.bad, "memory", "64 MiB") { $0.memoryBytes = 128 << 20 }
        expect(.poor, "memory", "left 8 MiB of shared memory on node-a") { $0.leftMemoryBytes = 8 << 20 }
        expect(.poor, "limits", "100 open files") { $0.openFiles = 100 }
        expect(.poor, "limits", "of addresses") { $0.addressBytes = 4 << 30 }
        expect(.poor, "limits", "locked memory beside a fast adapter") {
            ($0.lockableBytes, $0.hasFastAdapter) = (8 << 20, true)
        }
        expect(.bad, "directory", "rank 1 on node-a: read-only") { $0.directories[0].problem = "read-only" }
        expect(.poor, "directory", "locks do not reach rank 1") { $0.directories[0].hasLocks = false }
        expect(.poor, "products", "rank 1 on node-a is slow") { $0.productRate = 100e9 }
    }

    @Test func problemsOfAllRanksAreFound() {
        var ranks = sound
        for rank in ranks.indices { ranks[rank].availableInstructions = ["avx2", "avx512f"] }
        #expect(found(ranks).map(\.subject) == ["processor"], "wider vectors lie idle")
        ranks = sound
        #expect(found(sound, reduction: 1e6).map(\.subject) == ["reduction"])
    }
}
