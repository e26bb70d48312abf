/// The files of a run directory.
package enum RunFile: String, Sendable {
    /// The settings of the run (`RunSettings`).
    case configuration = "config.json"
    /// A line for each step and each evaluation.
    case log = "log.jsonl"
    /// A line for each time that the layers were measured.
    case measures = "measures.jsonl"
    /// A line for each time that `Launch/supervise` saw the program end or started it again.
    case incidents = "incidents.jsonl"
    /// The run as one page for people.
    case report = "report.html"
    /// The directory of its checkpoints.
    case checkpoints
    /// The directory of its event files.
    case tensorBoard = "tensorboard"
    /// The directory of the tensors that `--debug` found to be wrong.
    case debug
    /// What the process that works on the run holds locked.
    case lock

    /// Its name in the directory.
    package var name: String { rawValue }

    /// Its path in the run directory `run`.
    package func path(in run: String) -> String { "\(run)/\(name)" }
}
