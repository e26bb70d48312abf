import ArgumentParser
import Base
import Collectives
import Foundation

/// Why a process ends before it works on its command: words that the argument parser refuses, or a file that cannot be read.
struct StartFailure: Equatable {
    private let introduction: String
    private let message: String
    /// How the command is used, if the argument parser says so.
    private let usage: String
    private let code: Int32

    init(_ error: any Error) {
        if error is Failure || error is MachineFailure {
            (introduction, message, usage, code) = ("crate: error: ", "\(Failure(from: error))", "", 1)
            return
        }
        let (refusal, text) = (Crate.message(for: error), Crate.fullMessage(for: error))
        introduction = "Error: "
        // It repeats arguments, and lists values on lines of their own.
        let lines = refusal.split(separator: "\n", maxSplits: 40).map { String($0).printable }
        message = lines.joined(separator: "\n")
        usage = text.hasPrefix(introduction + refusal) ? String(text.dropFirst(introduction.count + refusal.count)) : ""
        code = Crate.exitCode(for: error).rawValue
    }

    private init(texts: [String]) {
        (introduction, message, usage, code) = (texts[0], texts[1], texts[2], Int32(texts[3]) ?? 1)
    }

    private var texts: [String] { [introduction, message, usage, "\(code)"] }

    /// Prints the failure, behind `place` if given.
    private func say(of place: String? = nil) {
        let text = introduction + (place.map { "\($0): " } ?? "") + message + usage + "\n"
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }

    /// Ends this process. Where MPI connects the ranks, all of them end, and rank 0 says why.
    func end() -> Never {
        let rank = Launcher.ofProcess.rank
        guard Launcher.ofProcess.connectsRanks, !World.isStarted else { endAlone() }
        // A rank that does not take part, such as one that prints its help, must not keep the reason back.
        Thread.detachNewThread {
            sleep(10)
            say(of: "rank \(rank)")
            _exit(code)
        }
        do {
            let world = try World.start()
            try world.requireSameStart(failure: self)
        } catch {
            say(of: "rank \(rank)")
        }
        Foundation.exit(code)
    }

    /// The launcher ends the job when a rank exits with an error. As most errors are those of all ranks, the others leave it to rank 0 to
    /// print its own; if the job does not end then, the error is this rank's alone.
    private func endAlone() -> Never {
        let launcher = Launcher.ofProcess
        if launcher.rank > 0 { sleep(launcher.localRank ?? 0 > 0 ? 4 : 2) }
        say(of: launcher.rank > 0 ? "rank \(launcher.rank)" : nil)
        Foundation.exit(code)
    }

    /// If ranks have failures, all end here, after rank 0 has printed that of the lowest: `own` on this one, if any. `command` is what this rank
    /// was started with. Collective.
    static func endIfAny(_ own: StartFailure?, command: String, _ world: World) {
        let failed = world.minimum(own == nil ? world.size : world.rank)
        guard failed < world.size else { return }
        let texts = world.broadcast(own.map { $0.texts + [command] } ?? [], from: failed)
        let failure = StartFailure(texts: texts)
        let isCommon = world.minimum(own == failure ? 1 : 0) == 1
        if world.rank == 0 {
            let beside = texts[4] == command ? "" : " with \(texts[4]), beside rank 0 with \(command)"
            failure.say(of: isCommon ? nil : "rank \(failed)\(beside)")
        }
        world.finish()
        Foundation.exit(failure.code)
    }
}
