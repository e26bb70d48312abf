import ArgumentParser
import Foundation
import Reports

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

    func run() throws {
        let path = output ?? (directory as NSString).appendingPathComponent(RunReport.fileName)
        try RunReport.write(run: directory, to: path)
        print("\(path) holds the report")
    }
}
