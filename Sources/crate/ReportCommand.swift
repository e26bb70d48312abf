import Analysis
import ArgumentParser
import Base
import Checkpoints
import Collectives
import Foundation
import Kernels
import Reports
import Settings

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write a run, or a comparison of several, as one HTML file: charts, layers, pictures, configuration.",
        discussion: """
            crate report runs/tiny
            crate report runs/tiny --output tiny.html --data shards/val
            crate report runs/tiny runs/wide runs/deep --output sizes.html
            """)

    @Argument(help: ArgumentHelp("Run directory; several are compared.", valueName: "run"))
    var directories: [String]
    @Option(
        help: ArgumentHelp(
            "The file to write (default: report.html in the run; comparison.html for several).", valueName: "file"))
    var output: String?
    @Option(
        help: ArgumentHelp(
            """
            Shards whose samples are shown with what the newest checkpoint makes of them (default: those that the run was \
            evaluated on).
            """, valueName: "dir"))
    var data: String?
    @Option(help: ArgumentHelp("Number of samples to show; 0 for no pictures (default: 6).", valueName: "n"))
    var samples: Int?

    func validate() throws {
        try requireCount("--samples", samples ?? 0, from: 0, upTo: 100)
        if directories.count > 1, data != nil || samples != nil {
            throw ValidationError("A comparison has no pictures; leave --data and --samples out.")
        }
    }

    func run() throws {
        try runWithWorld { world in
            if directories.count > 1 { try compare(world) } else { try report(directories[0], world) }
        }
    }

    /// Collective.
    private func compare(_ world: World) throws {
        try world.agree {
            guard world.rank == 0 else { return }
            let path = output ?? "comparison.html"
            try RunComparison(runs: directories).write(to: path)
            printLine("\(path) holds the comparison")
        }
    }

    /// Collective.
    private func report(_ directory: String, _ world: World) throws {
        let report = try world.agree { world.rank == 0 ? try RunReport(run: directory) : nil }
        var gallery = ReportGallery()
        let samples = samples ?? 6
        if samples > 0 { draw(samples, of: directory, report, into: &gallery, world) }
        try world.agree {
            guard let report else { return }
            let path = output ?? directory.appending(name: RunFile.report.name)
            try report.write(gallery, to: path)
            printLine("\(path) holds the report")
        }
    }

    /// A report without pictures is better than none. Collective.
    private func draw(
        _ samples: Int, of directory: String, _ report: RunReport?, into gallery: inout ReportGallery, _ world: World
    ) {
        do {
            let loaded = try LoadedModel(directory, images: samples, precision: .fp32, threads: 1, world: world)
            try world.agree {
                guard let report else { return }
                guard let data = data ?? report.shards else {
                    throw Failure("the run does not say on which shards", hint: "add --data")
                }
                if loaded.model.classifier == nil {
                    try gallery.addReconstructions(loaded, data: data, count: samples)
                }
                try gallery.addAttention(loaded, data: data, count: samples)
            }
        } catch {
            let failure = Failure(from: error)
            gallery.explain(missing: "pictures", failure)
            if world.rank == 0 { printError("warning: no pictures: \(failure)") }
        }
    }
}
