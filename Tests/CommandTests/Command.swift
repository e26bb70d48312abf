import Foundation
import Kernels
import TestSupport
import Testing

/// The result of a command.
struct CommandResult {
    /// The exit code: 128 plus the signal number if a signal ended it, 124 if it timed out.
    let status: Int32
    /// Its standard output.
    let output: String
    /// Its error output.
    let errors: String

    /// The error lines of the program itself; mpirun adds lines about exit codes.
    var failureLines: [String] {
        errors.split(separator: "\n").map(String.init).filter { $0.contains("crate: error: ") }
    }
}

/// The program, which is built next to the tests.
let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path + "/crate"

/// Runs `crate` with `arguments`, under mpirun if `ranks` is given, for at most `seconds`. If `killedAfter` is given, SIGKILL
/// ends it, or mpirun, after that time.
func crate(
    _ arguments: [String], ranks: Int? = nil, seconds: Int = 120, killedAfter: Duration? = nil,
    environment: [String: String] = [:]
) throws -> CommandResult {
    try RunningCommand.crate(
        arguments, ranks: ranks, seconds: seconds, killedAfter: killedAfter, environment: environment
    ).finish()
}

/// The output of `crate`, which must succeed.
@discardableResult
func succeed(_ arguments: [String], ranks: Int? = nil) throws -> String {
    let result = try crate(arguments, ranks: ranks)
    try #require(result.status == 0, "\(arguments.joined(separator: " ")): \(result.errors)")
    return result.output
}

/// Expects two ranks of `crate` to fail with exit code 1 and a single line that contains `text`.
func refuse(_ text: String, _ arguments: [String]) throws {
    let result = try crate(arguments, ranks: 2, seconds: 20)
    #expect(result.status == 1 && result.failureLines.count == 1, "\(result.status): \(result.errors)")
    #expect(result.failureLines.first?.contains(text) == true, "\(result.errors)")
}

/// Runs a command found in PATH.
func run(_ arguments: [String], environment: [String: String]? = nil) throws -> CommandResult {
    try RunningCommand(arguments, environment: environment).finish()
}

/// A command that runs while the test acts on it.
struct RunningCommand {
    private let process = Process()
    private let base = NSTemporaryDirectory() + "command-\(UUID().uuidString)"
    // Files instead of pipes: a full pipe would block the command.
    private var paths: [String] { ["\(base).out", "\(base).err"] }

    init(_ arguments: [String], environment: [String: String]? = nil) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        for path in paths { try Data().write(to: URL(fileURLWithPath: path)) }
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[0]))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
        try withoutBlockedSignals { try process.run() }
    }

    /// See the function `crate`. Rank 1 gets the additional options `onRankOne`, or these arguments alone.
    static func crate(
        _ arguments: [String], onRankOne: [String] = [], alone isAlone: Bool = false, ranks: Int? = nil,
        seconds: Int = 120,
        killedAfter: Duration? = nil, environment added: [String: String] = [:]
    ) throws -> RunningCommand {
        let launcher = ranks.map { ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "\($0)"] }
        var environment = ProcessInfo.processInfo.environment
        environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
        environment.merge(added) { $1 }
        let limit = killedAfter.map { ["-s", "KILL", "\($0 / .seconds(1))"] } ?? ["-k", "5", "\(seconds)"]
        // Not mpirun's syntax of two commands with a colon: the mpirun of Open MPI 5.0.7 crashes on it.
        let more = onRankOne.joined(separator: " ")
        let common = isAlone ? #""$1""# : #""$@""#
        let script = #"[ "$OMPI_COMM_WORLD_RANK" != 1 ] || set -- \#(common) \#(more); exec "$@""#
        let shell = onRankOne.isEmpty ? [] : ["bash", "-c", script, "bash"]
        return try RunningCommand(
            ["timeout"] + limit + (launcher ?? []) + shell + [program] + arguments, environment: environment)
    }

    /// The output so far.
    var output: String { (try? String(contentsOfFile: paths[0], encoding: .utf8)) ?? "" }

    /// Waits for the command to end.
    func finish() throws -> CommandResult {
        process.waitUntilExit()
        defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
        let texts = try paths.map { String(decoding: try Data(contentsOf: URL(fileURLWithPath: $0)), as: UTF8.self) }
        let isSignal = process.terminationReason == .uncaughtSignal
        let status = process.terminationStatus + (isSignal ? 128 : 0)
        return CommandResult(status: status, output: texts[0], errors: texts[1])
    }

    /// Waits until `condition` holds, while the command runs; checks every `microseconds`.
    func wait(every microseconds: UInt32 = 20_000, until condition: () -> Bool) {
        while process.isRunning && !condition() { usleep(microseconds) }
    }

    /// Sends `signal` to the process of `rank` whose command line contains `marker`, or to mpirun if `rank` is nil.
    func send(_ signal: Int32, toRank rank: Int?, marker: String) throws {
        kill(try identifier(marker: marker, isMpirun: rank == nil, rank: rank), signal)
    }

    /// The process whose command line contains `marker`: mpirun, or the program, with rank `rank` if there are several.
    func identifier(marker: String, isMpirun: Bool = false, rank: Int? = nil) throws -> Int32 {
        var found: Int32?
        wait {
            found = search(marker: marker, isMpirun: isMpirun, rank: rank)
            return found != nil
        }
        return try #require(found, "there is no such process: \(marker)")
    }

    private func search(marker: String, isMpirun: Bool, rank: Int?) -> Int32? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        func strings(_ name: String, of process: Int32) -> [String] {
            let data = FileManager.default.contents(atPath: "/proc/\(process)/\(name)") ?? Data()
            return data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        }
        return names.lazy.compactMap(Int32.init).first { process in
            let words = strings("cmdline", of: process)
            guard words.contains(marker) else { return false }
            if isMpirun { return words[0] == "mpirun" }
            guard words[0] == program else { return false }
            return rank.map { strings("environ", of: process).contains("OMPI_COMM_WORLD_RANK=\($0)") } ?? true
        }
    }
}

/// Calls `body` with a directory of small synthetic shards, `train` (images of `imageSize` pixels, patches of 8) and `val`,
/// and removes it afterwards.
func withShards(train: Int = 64, validation: Int = 13, _ body: (String) throws -> Void) throws {
    try withTemporaryDirectory { path in
        for (name, count, seed) in [("train", train, 1), ("val", validation, 2)] {
            let drawn = try crate([
                "synthesize", "\(path)/\(name)-images", "--images", "\(count)", "--classes", "4", "--seed", "\(seed)",
                "--image-size", "40",
            ])
            try #require(drawn.status == 0, "\(drawn.errors)")
            let sharded = try crate([
                "shard", "\(path)/\(name)-images", "\(path)/\(name)", "--image-size", "40", "--patch-size", "8",
                "--shard-size", "40",
            ])
            try #require(sharded.status == 0, "\(sharded.errors)")
        }
        try body(path)
    }
}

/// `pretrain` of a small model on the shards of `withShards`.
func pretrainArguments(_ path: String, run: String, _ more: [String]) -> [String] {
    [
        "pretrain", "--data", "\(path)/train", "--run", "\(path)/\(run)", "--dim", "48", "--depth", "2", "--heads",
        "3", "--image-size", "32", "--patch-size", "8", "--norm-pix", "--batch-size", "16", "--lr", "1e-3",
    ] + more
}

/// The values of `key` in the log of the run at `path`, in order.
func logged(_ key: String, _ path: String) throws -> [Double] {
    let text = try String(contentsOfFile: "\(path)/log.jsonl", encoding: .utf8)
    return try text.split(separator: "\n").compactMap { line in
        let entry = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        return entry?[key] as? Double
    }
}

/// The files of the checkpoint after `step` steps in the run at `run`.
func bytes(_ run: String, step: Int) throws -> [Data] {
    try ["model.safetensors", "optimizer.safetensors"].map { name in
        try Data(contentsOf: URL(fileURLWithPath: String(format: "%@/checkpoints/step-%010d/%@", run, step, name)))
    }
}

/// Runs `body` in a thread that blocks no signals. Test threads block nearly all signals, and new processes inherit
/// that: a script would never receive SIGTERM.
private func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
    var none = sigset_t()
    var before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
}
