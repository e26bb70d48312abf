import Base

/// Several runs in one self-contained HTML file: their curves laid over each other, their results and settings side by side.
package struct RunComparison {
    /// As many as the page has colours.
    private static let limit = 12

    private let runs: [ComparedRun]

    /// Reads the runs at `paths`. Throws `Failure` if one is no run or given twice, or if there are too many; missing or
    /// corrupt parts of a run are not errors.
    package init(runs paths: [String]) throws {
        guard paths.count <= Self.limit else {
            throw Failure("a page compares at most \(Self.limit) runs, not \(paths.count)", hint: "give fewer runs")
        }
        runs = try ComparedRun.read(paths)
    }

    /// Writes the page to `path` atomically. Throws `Failure` if that fails.
    package func write(to path: String) throws { try DurableFile.write([UInt8](page().utf8), to: path) }

    package func page() throws -> String {
        let (charts, tables, places) = (ComparisonCharts(runs), ComparisonTables(runs), runs.map(RunPlaces.init))
        let groups = [
            ("training", "Training", "", charts.training),
            ("layers", "Layers", "<p>\(escaped(measuredSteps))</p>", charts.layers),
        ].filter { !$0.3.isEmpty }
        let remarks = runs.flatMap { run in run.record.remarks.map { "\(run.name): \($0)" } }
        let summary = tables.summary + paragraphs(remarks: remarks + unplaced(places))
        var sections = [ReportSection(id: "summary", title: "Summary", body: summary)]
        sections += groups.map { ReportSection(id: $0, title: $1, introduction: $2, charts: $3) }
        sections.append(
            ReportSection(id: "differences", title: "Differences of configuration", body: tables.differences))
        return document(
            title: "\(runs.count) runs", subject: "A comparison", controls: controls(places), sections: sections,
            data: ["charts": try embedded(groups.flatMap(\.3)), "runs": try embedded(places)])
    }

    /// When the layers of each run were last measured.
    private var measuredSteps: String {
        let steps = runs.compactMap { run in
            run.record.measures.measurements.last.map { "\(run.name) after \(readable(whole: $0.step))" }
        }
        return "The latest measurement of each run, in steps: \(steps.joined(separator: ", "))."
    }

    /// Runs with steps that have no place on an axis.
    private func unplaced(_ places: [RunPlaces]) -> [String] {
        runs.indices.filter { !runs[$0].record.history.table.steps.isEmpty }.flatMap { index in
            var reasons: [String] = []
            if places[index].imagesPerStep == nil { reasons.append("images seen are unknown: no batch size is stored") }
            if places[index].steps.isEmpty { reasons.append("the time of training is unknown: the log has no times") }
            return reasons.map { "\(runs[index].name): \($0)." }
        }
    }

    /// The form that chooses the horizontal axis and the runs that are shown.
    private func controls(_ places: [RunPlaces]) -> String {
        let axes = [
            ("step", "optimiser step", true), ("images", "images seen", places.contains { $0.imagesPerStep != nil }),
            ("seconds", "time of training", places.contains { !$0.steps.isEmpty }),
        ].map { value, title, isKnown in
            let state = (value == "step" ? " checked" : "") + (isKnown ? "" : " disabled")
            return "<label><input type=\"radio\" name=\"axis\" value=\"\(value)\"\(state)>\(title)</label>"
        }
        let names = runs.enumerated().map { index, run in
            """
            <label><input type="checkbox" name="run" value="\(index)" checked>\
            <i class="key" style="border-color:var(--c\(index))"></i>\(escaped(run.name))</label>
            """
        }
        // Without autocompletion, a page that is loaded again begins like a new one in every browser.
        return """
            <form id="view" autocomplete="off"><fieldset><legend>Horizontal axis</legend>\(axes.joined())</fieldset>\
            <fieldset><legend>Runs</legend>\(names.joined())</fieldset></form>

            """
    }
}
