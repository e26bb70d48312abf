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
        abstract: "Write a run as one HTML file: charts, layers, pictures, incidents, configuration.",
        discussion: """
            crate report runs/tiny
            crate report runs/tiny --output tiny.html --data shards/val
            """)

    @Argument(help: ArgumentHelp("Run directory.", valueName: "run"))
    var directory: String
    @Option(help: ArgumentHelp("The file to write (default: report.html in the run).", valueName: "file"))
    var output: String?
    @Option(
        help: ArgumentHelp(
            """
            Shards whose samples are shown with what the newest checkpoint makes of them (default: those that the run was \
            evaluated on).
            """, valueName: "dir"))
    var data: String?
    @Option(help: ArgumentHelp("Number of samples to show; 0 for no pictures.", valueName: "n"))
    var samples = 6

    func validate() throws { try requireCount("--samples", samples, from: 0, upTo: 100) }

    func run() throws {
        try runWithWorld { world in
            let report = try world.agree { world.rank == 0 ? try RunReport(run: directory) : nil }
            var gallery = ReportGallery()
            if samples > 0 { draw(report, into: &gallery, world) }
            try world.agree {
                guard let report else { return }
                let path = output ?? (directory as NSString).appendingPathComponent(RunFile.report.name)
                try report.write(gallery, to: path)
                printLine("\(path) holds the report")
            }
        }
    }

    /// A report without pictures is better than none. Collective.
    private func draw(_ report: RunReport?, into gallery: inout ReportGallery, _ world: World) {
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
