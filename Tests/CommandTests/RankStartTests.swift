import Foundation
import TestSupport
import Testing

/// Ranks that cannot start, or were started differently: the reason is printed once, with the rank, and all ranks end.
@Suite(.serialized) struct RankStartTests {
    private let bench = [
        "bench", "--dim", "48", "--depth", "1", "--heads", "3", "--image-size", "32", "--patch-size", "8",
        "--batch-size",
        "4", "--steps", "1",
    ]

    /// Starts `first` on rank 0 and `second` on rank 1 and expects `text` in the one line that says why they end.
    private func expectRefusal(_ text: String, _ first: [String], _ second: [String], status: Int32 = 1) throws {
        let result = try RunningCommand.crate(first, onRankOne: second, alone: true, ranks: 2, seconds: 30).finish()
        #expect(result.status == status, "exit code \(result.status): \(result.errors)")
        let lines = result.errors.split(separator: "\n").filter {
            $0.hasPrefix("crate: error: ") || $0.hasPrefix("Error: ")
        }
        #expect(lines.count == 1 && lines.first?.contains(text) == true, "\(result.errors)")
        #expect(result.output.isEmpty, "\(result.output)")
    }

    @Test func reasonOfOneRankIsPrintedWithItsRank() throws {
        try expectRefusal("rank 1: Unknown option '--bogus'", bench, bench + ["--bogus"], status: 64)
        try expectRefusal("rank 0: Unknown option '--bogus'", bench + ["--bogus"], bench, status: 64)
        try expectRefusal("Error: Unknown option '--bogus'", bench + ["--bogus"], bench + ["--bogus"], status: 64)
        try expectRefusal("rank 1: --steps takes", bench, bench + ["--steps", "0"], status: 64)
        let pretrain = ["pretrain", "--data", "/nonexistent", "--run", "/nonexistent/run"]
        try expectRefusal("rank 1: cannot open /none.yaml", pretrain, pretrain + ["--config", "/none.yaml"])
        try expectRefusal(
            "rank 1 with crate bnech, beside rank 0 with crate bench: there is no command bnech", bench, ["bnech"])
    }

    @Test func differentCommandsAreRefused() throws {
        let pretrain = ["pretrain", "--data", "/nonexistent", "--run", "/nonexistent/run"]
        let evaluate = ["evaluate", "--checkpoint", "/nonexistent", "--data", "/nonexistent"]
        try expectRefusal("rank 1 has command crate evaluate, rank 0 has crate pretrain", pretrain, evaluate)
        try expectRefusal("rank 1 has command crate pretrain, rank 0 has crate evaluate", evaluate, pretrain)
        try expectRefusal(
            "rank 1 with crate verify, beside rank 0 with crate shard: this command works in one process",
            ["shard", "/nonexistent", "/nonexistent/out"], ["verify", "/nonexistent"])
        try expectRefusal(
            "crate: error: this command works in one process, and there are 2 ranks", ["verify", "/nonexistent"],
            ["verify", "/nonexistent"])
    }

    @Test func differentOptionsAreRefused() throws {
        try withShards(train: 16, validation: 4) { path in
            let trained = try crate(pretrainArguments(path, run: "run", ["--steps", "1"]))
            try #require(trained.status == 0, "\(trained.errors)")
            let model = ["--checkpoint", "\(path)/run", "--data", "\(path)/val"]
            let features = ["features"] + model + ["--output"]
            try expectRefusal(
                "rank 1 has layers all, rank 0 has norm", features + ["\(path)/a.h5"],
                features + ["\(path)/b.h5", "--layers", "all"])
            try expectRefusal(
                "rank 1 has pooling mean class, rank 0 has mean", features + ["\(path)/a.h5", "--pooling", "mean"],
                features + ["\(path)/a.h5", "--pooling", "mean", "class"])
            try expectRefusal(
                "rank 1 has mask-ratio 0.5, rank 0 has nothing", ["evaluate"] + model,
                ["evaluate"] + model + ["--mask-ratio", "0.5"])
            try expectRefusal(
                "rank 1 has mask-ratio nothing, rank 0 has 0.5",
                ["evaluate"] + model + ["--mask-ratio", "0.5"], ["evaluate"] + model)
            try expectRefusal(
                "rank 1 has checkpoint 2 paths, rank 0 has 1 path", ["analyze"] + model,
                ["analyze", "--checkpoint", "a", "b", "--data", "c"])
            let shard = ["shard", "\(path)/train-images"]
            try expectRefusal("rank 1 has OUT \(path)/b", shard + ["\(path)/a"], shard + ["\(path)/b"])
            try expectRefusal(
                "rank 1 has number of arguments 2, rank 0 has 1", ["doctor", path], ["doctor", path, path])
            #expect(!FileManager.default.fileExists(atPath: "\(path)/a.h5"))
        }
    }

    /// Nodes may have the same data at different places, and different numbers of cores.
    @Test func pathsAndThreadsMayDiffer() throws {
        try withShards(train: 16, validation: 4) { path in
            let trained = try crate(pretrainArguments(path, run: "run", ["--steps", "1"]))
            try #require(trained.status == 0, "\(trained.errors)")
            try FileManager.default.copyItem(atPath: "\(path)/val", toPath: "\(path)/copy")
            let first = ["evaluate", "--checkpoint", "\(path)/run", "--data", "\(path)/val"]
            let second = [
                "evaluate", "--precision", "fp32", "--checkpoint", "\(path)/run/checkpoints/step-0000000001",
                "--data=\(path)/copy", "--threads", "2",
            ]
            let result = try RunningCommand.crate(first, onRankOne: second, alone: true, ranks: 2).finish()
            #expect(
                result.status == 0 && result.output.hasPrefix("validation loss "), "\(result.output)\(result.errors)")
        }
    }

    /// In the shell of `srun --pty bash` a command is a single rank; several processes that Open MPI does not connect are refused.
    @Test func processesWithoutMpirunAreOneRankOrRefused() throws {
        try withShards(train: 16, validation: 4) { path in
            let step = ["SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEPID": "0", "SLURM_PROCID": "0"]
            let arguments = pretrainArguments(path, run: "run", ["--steps", "1"])
            let alone = try crate(arguments, environment: step.merging(["SLURM_STEP_NUM_TASKS": "1"]) { $1 })
            #expect(alone.status == 0, "\(alone.errors)")
            for several in [["PMI_RANK": "0", "PMI_SIZE": "2"], step.merging(["SLURM_STEP_NUM_TASKS": "2"]) { $1 }] {
                let refused = try crate(pretrainArguments(path, run: "other", ["--steps", "1"]), environment: several)
                #expect(refused.status == 1 && refused.failureLines.count == 1, "\(refused.errors)")
                #expect(refused.errors.contains("one of 2 processes of a launcher that Open MPI does not know"))
                #expect(!FileManager.default.fileExists(atPath: "\(path)/other"))
            }
        }
    }

    /// Other launchers tell the ranks in variables of their own. Ranks that MPI does not connect leave a common error to rank 0, and end on
    /// their own if nobody ends them.
    @Test func otherLaunchersAreKnown() throws {
        func start(_ variables: [String: String], _ arguments: [String]) throws -> CommandResult {
            try crate(arguments, environment: variables)
        }
        for variables in [["PMI_RANK": "1", "PMI_SIZE": "2"], ["SLURM_PROCID": "1"], ["PMIX_RANK": "1"]] {
            let help = try start(variables, ["pretrain", "--help"])
            #expect(help.status == 0 && help.output.isEmpty && help.errors.isEmpty, "\(variables)")
            let printed = try start(variables, ["pretrain", "--print-config"])
            #expect(printed.status == 0 && printed.output.isEmpty && printed.errors.isEmpty, "\(variables)")
            let wrong = try start(variables, ["pretrain", "--bogus"])
            #expect(wrong.status == 64 && wrong.errors.hasPrefix("Error: rank 1: "), "\(wrong.errors)")
            let missing = try start(variables, ["pretrain", "--config", "/none.yaml"])
            #expect(missing.status == 1 && missing.errors.hasPrefix("crate: error: rank 1: "), "\(missing.errors)")
        }
        for variables in [["PMI_RANK": "0", "PMI_SIZE": "2"], ["SLURM_PROCID": "0"], [:]] {
            #expect(try start(variables, ["pretrain", "--help"]).output.hasPrefix("OVERVIEW"))
            let wrong = try start(variables, ["pretrain", "--config", "/none.yaml"])
            #expect(wrong.status == 1 && wrong.errors.hasPrefix("crate: error: cannot open"), "\(wrong.errors)")
        }
        let several = try start(["PMI_RANK": "0", "PMI_SIZE": "2"], ["verify", "/nonexistent"])
        #expect(several.status == 1 && several.errors.contains("works in one process, and there are 2 ranks"))
    }
}
