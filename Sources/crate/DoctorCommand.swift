import ArgumentParser
import Diagnostics
import Kernels
import Settings

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check what could prevent a run from starting or make it slow, alone or under mpirun.",
        discussion: """
            crate doctor Checkpoints
            mpirun -n 4 --map-by socket:PE=8 crate doctor --threads 8 Checkpoints

            One line for each thing, good, poor or bad, and advice below what is not good. Exit code 1 where a run would fail. \
            Start it as you will start the run: it reports the binding and speed of these ranks.
            """)

    @Argument(help: "Directories for runs: checks that they are writable and that files can be locked.")
    var directories: [String] = []
    @Option(help: ArgumentHelp("Threads of a rank, as in pretrain.", valueName: "n"))
    var threads = 1
    @Option(help: ArgumentHelp("Seconds spent on measuring products and a reduction.", valueName: "s"))
    var seconds = 5.0
    @Flag(help: "Print JSON instead of text.")
    var json = false

    func validate() throws {
        try requireCount("--threads", threads, upTo: 1024)
        guard seconds > 0, seconds <= 3600 else { throw ValidationError("--seconds takes a number from 0 to 3600.") }
    }

    func run() throws {
        try runWithWorld { world in
            let report = try examineMachines(directories: directories, threads: threads, seconds: seconds, world: world)
            if world.rank == 0 {
                if json { try printJSON(report) } else { report.findings.forEach(printFinding) }
            }
            if report.findings.contains(where: { $0.verdict == .bad }) { throw ExitCode(1) }
        }
    }

    private func printFinding(_ finding: MachineFinding) {
        printLine("\(finding.verdict.rawValue.padded(to: 4))  \(finding.subject.padded(to: 10))  \(finding.text)")
        if let advice = finding.advice { printLine("      -> \(advice)") }
    }
}
