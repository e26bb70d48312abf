import Foundation
import TestSupport
import Testing

/// What a command did.
struct CommandResult {
    /// Its exit code; 124 when it had to be stopped.
    let status: Int32
    /// Its standard output.
    let output: String
    /// Its error output.
    let errors: String

    /// The program's own error lines; mpirun adds some of its own about the exit codes.
    var failureLines: [String] {
        errors.split(separator: "\n").map(String.init).filter { $0.contains("crate: error: ") }
    }
}

/// The program, which is built next to the tests.
private let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path + "/crate"

/// Runs `crate` with `arguments`, under mpirun when `ranks` is given, for at most `seconds`; SIGKILL ends it, or mpirun,
/// after `killedAfter`.
func crate(
    _ arguments: [String], ranks: Int? = nil, seconds: Int = 120, killedAfter: Duration? = nil
) throws -> CommandResult {
    let launcher = ranks.map { ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "\($0)"] } ?? []
    var environment = ProcessInfo.processInfo.environment
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
    let limit = killedAfter.map { ["-s", "KILL", "\($0 / .seconds(1))"] } ?? ["-k", "5", "\(seconds)"]
    return try run(["timeout"] + limit + launcher + [program] + arguments, environment: environment)
}

/// Runs a command found in PATH.
func run(_ arguments: [String], environment: [String: String]? = nil) throws -> CommandResult {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    // Files, not pipes: a pipe that nobody empties stops the command.
    let base = NSTemporaryDirectory() + "command-\(UUID().uuidString)"
    let paths = ["\(base).out", "\(base).err"]
    for path in paths { try Data().write(to: URL(fileURLWithPath: path)) }
    defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[0]))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
    try process.run()
    process.waitUntilExit()
    let texts = try paths.map { String(decoding: try Data(contentsOf: URL(fileURLWithPath: $0)), as: UTF8.self) }
    return CommandResult(status: process.terminationStatus, output: texts[0], errors: texts[1])
}

/// A directory with small drawn shards, `train` (images of `imageSize` pixels in patches of 8) and `val`, removed after
/// the body.
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

/// The values of `key` in the log of the run at `path`, in the order of the lines.
func logged(_ key: String, _ path: String) throws -> [Double] {
    let text = try String(contentsOfFile: "\(path)/log.jsonl", encoding: .utf8)
    return try text.split(separator: "\n").compactMap { line in
        let entry = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        return entry?[key] as? Double
    }
}
