package enum RunFile: String, Sendable {
    /// Everything that determines the result of the run.
    case configuration = "config.json"
    /// The subcommand and its options, used by a resume that is given none.
    case arguments = "arguments.json"
    /// One line for each step and each evaluation.
    case log = "log.jsonl"
    /// One line for each measurement of the layers.
    case measures = "measures.jsonl"
    /// One line for each time that `Launch/supervise` saw the program end or restarted it.
    case incidents = "incidents.jsonl"
    case report = "report.html"
    case checkpoints
    case tensorBoard = "tensorboard"
    /// Corrupt tensors found by `--debug`.
    case debug
    /// Locked by the process that works on the run.
    case lock

    package var name: String { rawValue }

    package func path(in run: String) -> String { "\(run)/\(name)" }
}
