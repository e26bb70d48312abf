import Foundation
import Kernels
import TestSupport
import Testing

/// The repository root.
private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

/// The environment of the scripts: with the program built next to the tests, and without the oversubscription that
/// Launch/test sets for other tests. After a failure, mpirun waits for this many seconds, twice.
private let scriptEnvironment = ProcessInfo.processInfo.environment.merging([
    "CRATE": program, "CRATE_HOME": root, "OMPI_MCA_rmaps_base_oversubscribe": "0",
    "OMPI_MCA_odls_base_sigkill_timeout": "3",
]) { $1 }

/// Runs a script of the repository for at most `seconds`.
private func script(_ arguments: [String], seconds: Int = 60) throws -> CommandResult {
    try run(
        ["timeout", "-k", "5", "\(seconds)", "\(root)/\(arguments[0])"] + arguments.dropFirst(),
        environment: scriptEnvironment)
}

/// A run that continues until it is stopped, and saves only then.
private let endlessOptions = ["--steps", "1000000", "--save-every", "1000000", "--threads", "1"]

private func endless(_ path: String) -> [String] { pretrainArguments(path, run: "run", endlessOptions) }

/// Bash: runs the command in $2 ..., sends it SIGTERM when the file $1 has twenty lines, and exits with its exit code.
private let stopAfterTwentySteps = """
    log=$1; shift; "$@" & until [ "$(wc -l <"$log")" -ge 20 ] || ! kill -0 $!; do sleep 0.1; done 2>/dev/null
    kill -TERM $!; wait $!
    """

private func succeeds(_ command: String...) -> Bool { (try? run(command).status) == 0 }

/// In a container, root may not be allowed to create namespaces; other users never are.
private let makesNamespaces = succeeds("unshare", "--net", "--uts", "--mount", "--pid", "--fork", "true")
private let hasSlurm = succeeds(
    "sh", "-c", "command -v sbatch && command -v slurmctld && command -v slurmd && command -v munged")

@Suite(.serialized) struct ClusterTests {
    /// The program of Launch/build runs without any tool in PATH, and without a Swift runtime.
    @Test(.enabled(if: makesNamespaces, "hiding the toolchain needs root"))
    func builtProgramNeedsNoToolchain() throws {
        let build = try script(["Launch/build", "--processor", "x86-64-v3"], seconds: 600)
        try #require(build.status == 0, "\(build.errors)")
        let line = try #require(build.output.split(separator: "\n").first { $0.hasPrefix("program: ") })
        let built = String(try #require(line.split(separator: " ").dropFirst().first))
        let needs = try #require(build.output.split(separator: "\n").first { $0.hasPrefix("a compute node needs: ") })
        for package in ["libopenblas0", "libhdf5", "libopenmpi", "openmpi-bin"] {
            #expect(needs.contains(package), "\(needs)")
        }
        #expect(!needs.contains("unknown"))

        let runtime = try run(["sh", "-c", "ldd '\(program)' | awk '$1 == \"libswiftCore.so\" { print $3 }'"]).output
        let directory = URL(fileURLWithPath: runtime.trimmingCharacters(in: .newlines)).deletingLastPathComponent().path
        try #require(directory.hasSuffix("/swift/linux"))
        func alone(_ program: String) throws -> CommandResult {
            try run([
                "unshare", "--mount", "sh", "-c",
                "mount -t tmpfs none '\(directory)' && exec env -i HOME=/ PATH=/usr/bin:/bin '\(program)' bench "
                    + "--dim 48 --depth 1 --heads 3 --image-size 32 --patch-size 8 --batch-size 4 --steps 1",
            ])
        }
        let result = try alone(built)
        #expect(result.status == 0 && result.output.contains("images/s"), "\(result.errors)")
        #expect(try alone(program).errors.contains("libswift"), "without a hidden runtime, this test could not fail")

        let wrong = try script(["Launch/build", "--processor", "no-such"])
        #expect(wrong.status == 1 && wrong.errors.contains("clang does not support processor 'no-such'"))
    }

    @Test func ranksAndThreadsComeFromTheCores() throws {
        let cores = try #require(Int(try run(["nproc"]).output.trimmingCharacters(in: .newlines)))
        try withShards { path in
            let hosts = "\(path)/hosts"
            try "localhost slots=\(cores)  # this machine\n".write(toFile: hosts, atomically: true, encoding: .utf8)
            func cluster(_ arguments: String...) throws -> CommandResult {
                try script(["Launch/cluster", "--hosts", hosts] + arguments)
            }
            let one = try cluster("--ranks-per-node", "1", "--dry-run", "bench", "--model", "base")
            let ranks = "ranks: 1, 1 per host, threads per rank: \(cores)"
            #expect(one.output.contains(ranks), "\(one.output)\(one.errors)")
            #expect(one.output.contains("PE=\(cores) --bind-to core"))
            #expect(one.output.contains("bench --model base --threads \(cores)"))
            #expect(!one.output.contains("images/s"))

            let many = try cluster("--ranks-per-node", "\(cores + 1)", "bench")
            #expect(many.status == 1 && many.errors.contains("more than the \(cores) cores"), "\(many.errors)")
            let wide = try cluster("bench", "--threads", "\(cores + 1)")
            #expect(wide.status == 1 && wide.errors.contains("more than the \(cores) cores"), "\(wide.errors)")
            let word = try cluster("--ranks-per-node", "two", "bench")
            #expect(word.status == 1 && word.errors.contains("not 'two'"))

            for text in ["localhost slots=1\r\n", "\u{FEFF}localhost slots=1\n"] {
                try text.write(toFile: hosts, atomically: true, encoding: .utf8)
                let refused = try cluster("--dry-run", "bench")
                #expect(refused.status == 1 && refused.errors.contains("was written on Windows"), "\(refused.errors)")
            }
            try "localhost slots=1\n".write(toFile: hosts, atomically: true, encoding: .utf8)
            let cut = try cluster("--dry-run", "bench")
            #expect(cut.output.contains("1 cores per host"), "\(cut.output)")
        }
    }

    /// SIGTERM to the script lets all ranks save, and its exit code is 75.
    @Test func stopRequestReachesTheRanks() throws {
        try withShards { path in
            let launch = ["\(root)/Launch/cluster", "--ranks-per-node", "1"] + endless(path)
            let stopped = try run(
                ["timeout", "60", "bash", "-c", stopAfterTwentySteps, "bash", "\(path)/run/log.jsonl"] + launch,
                environment: scriptEnvironment)
            #expect(stopped.status == 75, "\(stopped.errors)")
            let steps = try logged("step", "\(path)/run").count
            #expect(steps >= 20)
            #expect(try names(in: "\(path)/run/checkpoints") == [String(format: "step-%010d", steps)])
        }
    }

    /// One rank on each of two hosts gives the same bytes as two ranks on one, at any link rate, and the link is used.
    @Test(.enabled(if: makesNamespaces, "simulated hosts (namespaces) need root"), arguments: [nil, "1gbit"])
    func twoHostsGiveTheSameBytesAsOne(rate: String?) throws {
        try withShards { path in
            let options = ["--steps", "8", "--virtual-ranks", "2"]
            let together = try crate(pretrainArguments(path, run: "together", options), ranks: 2)
            try #require(together.status == 0, "\(together.errors)")
            let apart = try script(
                ["Tests/Cluster/namespaces"] + (rate.map { ["--rate", $0] } ?? []) + ["mpirun", program]
                    + pretrainArguments(path, run: "apart", options))
            try #require(apart.status == 0, "\(apart.errors)")
            #expect(apart.output.contains("2 ranks"))
            let files = try bytes("\(path)/apart", step: 8)
            #expect(try files == bytes("\(path)/together", step: 8))

            // The moments are two values per gradient. Each step sends as many bytes as the gradients take, in each direction.
            let line = try #require(apart.errors.split(separator: "\n").last { $0.hasPrefix("namespaces: ") })
            let counts = line.split(separator: " ").compactMap { Int($0) }
            try #require(counts.count == 2, "\(line)")
            for count in counts { #expect(count > 8 * files[1].count / 2, "\(line)") }
        }
    }

    /// If the link is cut, the rank on the second host is named, and the run ends.
    @Test(.enabled(if: makesNamespaces, "simulated hosts (namespaces) need root"))
    func cutLinkNamesTheUnreachableRank() throws {
        try withShards { path in
            let result = try script(
                ["Tests/Cluster/namespaces", "--cut-after", "3", "mpirun", program] + endless(path)
                    + ["--stall-warning", "1", "--stall-abort", "3"])
            #expect(result.status != 0 && result.status != 124, "exit code \(result.status)")
            #expect(result.failureLines.count == 1, "\(result.errors)")
            #expect(result.failureLines.first?.contains("rank 1 has not arrived") == true, "\(result.errors)")
        }
    }

    /// Launch/cluster starts one rank on each host of its host file, with one thread per core.
    @Test(.enabled(if: makesNamespaces, "simulated hosts (namespaces) need root"))
    func hostFileSelectsTheHosts() throws {
        try withShards { path in
            let result = try script(
                ["Tests/Cluster/namespaces", "sh", "-c", "\(root)/Launch/cluster --hosts $HOSTS \"$@\"", "sh"]
                    + pretrainArguments(path, run: "run", ["--steps", "4"]))
            try #require(result.status == 0, "\(result.errors)")
            #expect(result.output.contains("ranks: 2, 1 per host, threads per rank: 1"), "\(result.output)")
            #expect(result.output.contains("2 ranks, "))
        }
    }
}

@Suite(.serialized, .enabled(if: makesNamespaces && hasSlurm, "needs root, slurm-wlm and munge"))
struct SlurmTests {
    @Test func batchScriptRunsTwoRanks() throws {
        try withShards { path in
            let options = ["--steps", "8", "--threads", "1"]
            let plain = try crate(pretrainArguments(path, run: "plain", options), ranks: 2)
            try #require(plain.status == 0, "\(plain.errors)")
            let job = try script(
                ["Tests/Cluster/slurm", "sbatch", "--wait", "--ntasks-per-node=2", "--output=\(path)/out"]
                    + ["\(root)/Launch/slurm.sbatch"] + pretrainArguments(path, run: "job", options))
            let output = try String(contentsOfFile: "\(path)/out", encoding: .utf8)
            #expect(job.status == 0, "\(job.errors)\(output)")
            #expect(output.contains("ranks: 2, 2 per host, threads per rank: 1") && output.contains("exit code 0"))
            #expect(try bytes("\(path)/job", step: 8) == bytes("\(path)/plain", step: 8))
        }
    }

    /// A job with a time-limit warning saves, is requeued and continues; a cancelled job saves. The files are
    /// the same as those of an undisturbed run.
    @Test func warnedJobIsRequeuedAndCancelledJobSaves() throws {
        try withShards { path in
            let job = try script(
                ["Tests/Cluster/slurm", "\(root)/Tests/Cluster/requeued-job", "\(path)/run"] + endless(path))
            try #require(job.status == 0, "\(job.errors)")
            #expect(job.output.hasPrefix("CANCELLED after 1 restart: "), "\(job.output)")
            let steps = job.output.split(whereSeparator: \.isWhitespace).suffix(2).compactMap { Int($0) }
            try #require(steps.count == 2 && steps[0] >= 20 && steps[1] >= steps[0] + 20)

            let whole = try crate(
                pretrainArguments(path, run: "whole", endlessOptions + ["--stop-after", "\(steps[1])"]), ranks: 2)
            try #require(whole.status == 0, "\(whole.errors)")
            #expect(try bytes("\(path)/run", step: steps[1]) == bytes("\(path)/whole", step: steps[1]))
        }
    }
}
