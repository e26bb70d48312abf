import Base
import Foundation
import Shards
import Training

// `crate shard --dry-run`: what is in the source.

extension ShardCommand {
    /// Prints a survey of the source. Throws `Failure` if the source cannot be read, or if there are several processes.
    func surveySource() throws {
        guard (Launcher.ofProcess.size ?? 1) == 1 else {
            throw Failure("--dry-run works in one process", hint: "start it without mpirun")
        }
        let source = try ShardSource(sources, selection.selection())
        if !json { tell(source.unicodeTwins, respelled: source.respelled, source.passedOver) }
        var line = ProgressLine(unit: "headers")
        let survey = try line.during { line in
            try SourceSurvey(of: source, options: try options()) { line.report($0, of: source.items.count) }
        }
        if json { try printJSON(survey) } else { show(survey) }
    }

    private func show(_ survey: SourceSurvey) {
        printLine(
            "source        \(survey.kind): \(counted(survey.images, "image")) \(ofClasses(survey.classes?.count ?? 0))")
        if let classes = survey.classes {
            printLine("classes       smallest \(tally(classes.smallest)), largest \(tally(classes.largest))")
            if classes.empty > 0 { printLine("              \(counted(classes.empty, "class")) without images") }
            if classes.unlabelled > 0 {
                printLine("              \(counted(classes.unlabelled, "image")) without a class")
            }
        }
        printLine("formats       \(list(survey.formats))")
        printLine("modes         \(list(survey.modes))")
        showSizes(survey)
        for (number, reason) in survey.leftOut.enumerated() {
            printLine(
                "\(number == 0 ? "left out      " : "              ")\(reason.images) \(reason.reason), such as \(reason.example.printable)"
            )
        }
        let duplicates = survey.duplicates
        if duplicates.images > 0 {
            printLine(
                "duplicates    \(counted(duplicates.images, "image")) with the bytes of another, such as "
                    + duplicates.example.map(\.printable).joined(separator: " and "))
            if duplicates.acrossClasses > 0 {
                printLine(
                    "              \(duplicates.acrossClasses) of \(counted(duplicates.groups, "set")) across classes")
            }
        }
        if let shards = survey.shards { show(shards) }
    }

    private func showSizes(_ survey: SourceSurvey) {
        let most = survey.shorterSides.map(\.images).max() ?? 1
        let digits = "\(most)".count
        for (number, side) in survey.shorterSides.enumerated() {
            let range = "\(side.from)-\(side.to)".padding(toLength: 14, withPad: " ", startingAt: 0)
            let images = String(repeating: " ", count: digits - "\(side.images)".count) + "\(side.images)"
            let bar = String(repeating: "#", count: (40 * side.images + most - 1) / most)
            printLine("\(number == 0 ? "shorter side  " : "              ")\(range)\(images)  \(bar)")
        }
        for (title, image) in [("smallest", survey.smallest), ("largest ", survey.largest)] {
            guard let image else { continue }
            printLine("\(title)      \(image.width) x \(image.height) pixels, \(image.name.printable)")
        }
        if survey.enlarged > 0 { printLine("enlarged      \(counted(survey.enlarged, "image")), to --image-size") }
    }

    private func show(_ shards: ShardEstimate) {
        let accuracy = shards.isExact ? "exactly" : "estimated"
        printLine(
            "shards        \(counted(shards.files, "file")): \(shards.sampleBytes) bytes of samples (\(accuracy)), "
                + "and about \(shards.otherBytes) of tables")
        printLine(
            "time          \(shards.seconds < 1 ? "less than 1 s" : "about \(readableDuration(shards.seconds))") with \(counted(shards.jobs, "job")), estimated from "
                + "\(counted(shards.measured, "image")); without writing")
        if let first = shards.undecodable.first {
            printLine(
                "undecodable   \(shards.undecodable.count) of these \(shards.measured), such as \(first.example.printable): "
                    + first.reason.printable)
        }
    }

    private func tally(_ tally: SourceSurvey.Tally) -> String { "\(tally.name.printable(limit: 80)) (\(tally.images))" }

    private func list(_ tallies: [SourceSurvey.Tally]) -> String {
        tallies.isEmpty ? "none" : tallies.map { "\($0.name) \($0.images)" }.joined(separator: "; ")
    }
}
