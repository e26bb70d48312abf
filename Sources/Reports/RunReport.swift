import Base
import Foundation

/// A run as one self-contained HTML file: charts, pictures, incidents, configuration.
package struct RunReport {
    private let run: RunRecord

    /// Reads the run at `path`. Throws `Failure` if there is no run; missing or corrupt parts are not errors.
    package init(run path: String) throws { run = try RunRecord(path: path) }

    /// Writes the report with the pictures of `gallery` to `path` atomically. Throws `Failure` if that fails.
    package func write(_ gallery: ReportGallery = ReportGallery(), to path: String) throws {
        try DurableFile.write([UInt8](page(gallery).utf8), to: path)
    }

    /// The shards that the run was evaluated on, or otherwise trained on, according to its options.
    package var shards: String? { run.settings?.options["validation"] ?? run.settings?.options["data"] }

    /// The results in a few numbers: name, value, and what the value is of.
    package var results: [(name: String, value: String, note: String)] { ReportSummary(run).tiles }

    package func page(_ gallery: ReportGallery = ReportGallery()) throws -> String {
        let training = TrainingCharts(run.history, clip: run.settings?["clip"]?.number)
        let layers = LayerCharts(run.measures, epochsPerStep: run.history.epochsPerStep)
        let chartGroups = [
            ("learning", "Learning", training.learning), ("time", "Time", training.time),
            ("layers", "Layers", layers.byLayer), ("progress", "Layers over training", layers.overSteps),
        ].filter { !$0.2.isEmpty }
        var sections = [ReportSection(id: "summary", title: "Summary", body: summary(gallery))]
        sections += chartGroups.map { ReportSection(id: $0, title: $1, charts: $2) }
        sections += gallery.sections
        sections.append(ReportSection(id: "incidents", title: "Incidents", body: incidents))
        sections.append(ReportSection(id: "configuration", title: "Configuration", body: configuration))
        return document(
            title: run.name, subject: "A run", sections: sections,
            data: ["charts": try embedded(chartGroups.flatMap(\.2))])
    }

    private func summary(_ gallery: ReportGallery) -> String {
        let tiles = ReportSummary(run).tiles.map {
            "<div><dt>\(escaped($0.name))</dt><dd><b>\(escaped($0.value))</b><span>\(escaped($0.note))</span></dd></div>"
        }
        return "<dl class=\"tiles\">\(tiles.joined())</dl>" + paragraphs(remarks: run.remarks + gallery.remarks)
    }

    private var incidents: String {
        let limit = 200
        let all = run.history.incidents
        guard !all.isEmpty else { return "<p>None: no event, skipped step, substituted sample, gap or restart.</p>" }
        let hasTimes = all.contains { $0.time != nil }
        let rows = all.prefix(limit).map {
            "<tr><td>\(escaped($0.place))</td>" + (hasTimes ? "<td>\(escaped($0.time ?? ""))</td>" : "")
                + "<td>\(escaped($0.text))</td></tr>"
        }
        let more = all.count > limit ? "<p>\(readable(whole: all.count - limit)) more are in the log.</p>" : ""
        return
            "<div class=\"scroll\"><table><thead><tr><th>where</th>\(hasTimes ? "<th>when</th>" : "")<th>what</th></tr></thead>"
            + "<tbody>\(rows.joined(separator: "\n"))</tbody></table></div>" + more
    }

    private var configuration: String {
        guard let settings = run.settings else { return "<p>None is stored.</p>" }
        let rows = settings.all.sorted { $0.key < $1.key }.map {
            "<tr><th>\(escaped($0.key))</th><td>\(escaped($0.value))</td></tr>"
        }
        let command = settings.command.map { "<p>crate \(escaped($0))</p>" } ?? ""
        return command + "<div class=\"scroll\"><table><tbody>\(rows.joined(separator: "\n"))</tbody></table></div>"
    }
}
