import Foundation
import Training

/// `pretrain --resume --run RUN`, and so `train` and `finetune`, take the options that RUN was started with, and then those that are
/// given, which win.
///
/// `arguments` without the program's name.
func withStoredArguments(_ arguments: [String]) -> [String] {
    guard let command = arguments.first, ["pretrain", "train", "finetune"].contains(command),
        arguments.contains("--resume")
    else { return arguments }
    let run =
        arguments.firstIndex(of: "--run").flatMap { arguments.dropFirst($0 + 1).first }
        ?? arguments.first { $0.hasPrefix("--run=") }.map { String($0.dropFirst("--run=".count)) }
    guard let run else { return arguments }
    return [command] + RunDirectory.storedArguments(run) + arguments.dropFirst()
}
