/// Tables with a column for each run, as markup.
struct ComparisonTables {
    private let runs: [ComparedRun]

    init(_ runs: [ComparedRun]) { self.runs = runs }

    /// The results of each run.
    var summary: String {
        let tiles = runs.map { ReportSummary($0.record).tiles }
        // Each name once, after the one that it follows in any of the runs.
        let names = tiles.reduce(into: [String]()) { names, tiles in
            var place = 0
            for tile in tiles {
                if let known = names.firstIndex(of: tile.name) {
                    place = known + 1
                } else {
                    names.insert(tile.name, at: place)
                    place += 1
                }
            }
        }
        let rows = names.map { name in row(name, tiles.map { tiles in tiles.first { $0.name == name } }) }
        let command = ("Command", runs.map { $0.record.settings?.command.map { "crate \(escaped($0))" } })
        return table([("Directory", runs.map { escaped($0.path) }), command] + rows)
    }

    /// The row of the tiles of one name; a note that is the same in all of them stands beside the name.
    private func row(_ name: String, _ tiles: [ReportSummary.Tile?]) -> (String, [String?]) {
        let notes = tiles.compactMap { $0?.note }
        let common = notes.count > 1 && Set(notes).count == 1 ? notes[0] : ""
        func cell(_ value: String, _ note: String) -> String {
            value + (note.isEmpty ? "" : "<span>\(escaped(note))</span>")
        }
        return (
            cell(escaped(name), common),
            tiles.map { $0.map { cell("<b>\(escaped($0.value))</b>", common.isEmpty ? $0.note : "") } }
        )
    }

    /// The settings in which the runs differ.
    var differences: String {
        let all = runs.map { $0.record.settings?.all }
        let known = all.compactMap(\.self)
        guard known.count > 1 else { return "<p>Fewer than two of the runs have stored theirs.</p>" }
        let names = Set(known.flatMap(\.keys)).sorted()
        let different = names.filter { name in Set(known.map { $0[name] }).count > 1 }
        let count = names.count - different.count
        let verb = count == 1 ? "setting is" : "settings are"
        let equal = "<p>\(readable(whole: count)) \(verb) the same in all of them.</p>"
        guard !different.isEmpty else { return "<p>There are none.</p>" + equal }
        return table(different.map { name in (escaped(name), all.map { $0?[name].map(escaped) }) }) + equal
    }

    /// `rows` of a name and what each run has, nil where it has nothing; all is markup.
    private func table(_ rows: [(name: String, cells: [String?])]) -> String {
        let heads = runs.enumerated().map { index, run in
            "<th scope=\"col\"><i class=\"key\" style=\"border-color:var(--c\(index))\"></i>\(escaped(run.name))</th>"
        }
        let body = rows.map { name, cells in
            "<tr><th scope=\"row\">\(name)</th>" + cells.map { "<td>\($0 ?? "–")</td>" }.joined() + "</tr>"
        }
        return "<div class=\"scroll\"><table class=\"runs\"><thead><tr><td></td>\(heads.joined())</tr></thead>"
            + "<tbody>\(body.joined(separator: "\n"))</tbody></table></div>"
    }
}
