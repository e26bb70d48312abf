import Foundation
import TestSupport
import Testing

/// A page after a browser has drawn it: for each chart its name, what is drawn, the text at its last point,
/// and the rows of its table.
let inspection = """
    (async () => {
        const figures = [...document.querySelectorAll("figure.chart")];
        for (const figure of figures) figure.querySelector("details").open = true;
        await new Promise(done => setTimeout(done, 200));
        return {
            overflow: document.documentElement.scrollWidth - innerWidth,
            pictures: [...document.images].filter(image => image.complete && image.naturalWidth > 0).length,
            ground: getComputedStyle(document.body).backgroundColor,
            charts: figures.map(figure => {
                const svg = figure.querySelector("svg");
                svg.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
                return {
                    id: figure.dataset.chart,
                    shapes: svg.querySelectorAll(".curve:not([d='']), .area:not([d='']), rect").length,
                    texts: svg.querySelectorAll("text").length,
                    isSound: !/NaN|undefined|Infinity|null/.test(figure.outerHTML),
                    readout: figure.querySelector(".readout").textContent,
                    rows: figure.querySelectorAll("tbody tr").length,
                };
            }),
        };
    })()
    """

private let browse = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../Peer/browse.py"
let hasBrowser = (try? run(["python3", browse, "/dev/null"]))?.status == 0

/// The browser's result for `page`.
func opened(_ page: String, _ options: [String] = []) throws -> [String: Any] {
    let result = try run(["python3", browse, page] + options)
    try #require(result.status == 0, "\(result.errors)")
    return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
}

@Suite(.serialized) struct ReportCommandTests {
    private func page(_ run: String) throws -> String {
        try String(contentsOfFile: "\(run)/report.html", encoding: .utf8)
    }

    @Test func reportIsUpdatedDuringTraining() throws {
        try withShards { path in
            let options = ["--steps", "8", "--validation", "\(path)/val", "--report-every", "1"]
            let first = try crate(pretrainArguments(path, run: "run", options + ["--stop-after", "5"]), ranks: 2)
            try #require(first.status == 0, "\(first.errors)")
            let early = try page("\(path)/run")
            #expect(early.contains("5 of 8") && early.contains("data-chart=\"slowest-time\""))
            let second = try crate(["pretrain", "--run", "\(path)/run", "--resume"], ranks: 2)
            try #require(second.status == 0, "\(second.errors)")
            let late = try page("\(path)/run")
            #expect(late.contains("8 of 8") && late.contains("went on from step 5 on 2 ranks"))
            #expect(!FileManager.default.fileExists(atPath: "\(path)/run/report.html.partial"))
            #expect(!late.contains("Reconstructions"))

            let drawn = try crate(["report", "\(path)/run"], ranks: 2)
            #expect(drawn.status == 0 && drawn.output.contains("run/report.html holds the report"), "\(drawn.errors)")
            #expect(try page("\(path)/run").components(separatedBy: "data:image/png").count == 13)
        }
    }

    /// The report's path is taken by something else.
    @Test func unwritableReportDoesNotStopTraining() throws {
        try withShards { path in
            try FileManager.default.createDirectory(
                atPath: "\(path)/run/report.html/kept", withIntermediateDirectories: true)
            let result = try crate(pretrainArguments(path, run: "run", ["--steps", "8", "--report-every", "1"]))
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                result.errors.contains("warning: the report is not written") || result.output.contains("not written"))
            let log = try String(contentsOfFile: "\(path)/run/log.jsonl", encoding: .utf8)
            #expect(log.contains("\"event\":\"the report is not written"))
        }
    }

    @Test func invalidRunGivesOneLine() throws {
        try withShards { path in
            let refusals = [
                (["\(path)/absent"], "there is no run directory"), ([path], "is no run"),
                (["\(path)/train"], "is no run"),
            ]
            for (arguments, text) in refusals {
                let result = try crate(["report"] + arguments)
                #expect(result.status == 1 && result.failureLines.count == 1, "\(result.errors)")
                #expect(result.failureLines.first?.contains(text) == true, "\(result.errors)")
            }
            // A run that has just started, and one whose shards are gone.
            try FileManager.default.createDirectory(atPath: "\(path)/begun", withIntermediateDirectories: false)
            try Data("{\"step\":1,\"lo".utf8).write(to: URL(fileURLWithPath: "\(path)/begun/log.jsonl"))
            let begun = try crate(["report", "\(path)/begun"])
            #expect(begun.status == 0 && begun.errors.contains("no pictures") && begun.errors.contains("no checkpoint"))
            #expect(try page("\(path)/begun").contains("the last line is cut off"))
            let nowhere = try crate(["report", "\(path)/begun", "--output", "\(path)/absent/report.html"])
            #expect(nowhere.status == 1 && nowhere.failureLines.count == 1, "\(nowhere.errors)")
            let trained = try crate(pretrainArguments(path, run: "run", ["--steps", "2"]))
            try #require(trained.status == 0, "\(trained.errors)")
            try FileManager.default.removeItem(atPath: "\(path)/train")
            let orphan = try crate(["report", "\(path)/run"])
            #expect(orphan.status == 0 && orphan.errors.contains("warning: no pictures"), "\(orphan.errors)")
            #expect(try page("\(path)/run").contains("No pictures: "))
        }
    }

    @Test(.enabled(if: hasBrowser, "needs a headless browser, such as chromium-headless-shell, and python3"))
    func browserShowsEveryChart() throws {
        try withShards { path in
            let trained = try crate(
                pretrainArguments(path, run: "run", ["--epochs", "3", "--validation", "\(path)/val"]), ranks: 2)
            try #require(trained.status == 0, "\(trained.errors)")
            // The metrics of a run that measured its layers twice.
            let layer = #"{"coding_rate":{"mean":12,"std":1},"sparsity":{"mean":0.5,"std":0.1},"subspace_overlap":0.2}"#
            let lines = [0, 12].map { #"{"step":\#($0),"encoder":[\#(layer),\#(layer)],"decoder":[]}"# + "\n" }
            try lines.joined().write(toFile: "\(path)/run/measures.jsonl", atomically: false, encoding: .utf8)
            let drawn = try crate(["report", "\(path)/run", "--samples", "3"])
            try #require(drawn.status == 0, "\(drawn.errors)")

            for options in [[], ["--dark"], ["--width", "390"]] {
                let answer = try opened("\(path)/run/report.html", options + ["--run", inspection])
                #expect((answer["errors"] as? [String])?.isEmpty == true, "\(answer["errors"] ?? "")")
                #expect((answer["requests"] as? [String])?.isEmpty == true, "\(answer["requests"] ?? "")")
                let result = try #require(answer["result"] as? [String: Any])
                #expect(result["overflow"] as? Int == 0, "the page is as wide as the window")
                #expect(result["pictures"] as? Int == 6)
                #expect((result["ground"] as? String == "rgb(255, 255, 255)") == (options != ["--dark"]))
                let charts = try #require(result["charts"] as? [[String: Any]])
                #expect(charts.count == 13)
                for chart in charts {
                    let id = "\(chart["id"] ?? "")"
                    #expect((chart["shapes"] as? Int ?? 0) > 0, "\(id) is drawn")
                    #expect((chart["texts"] as? Int ?? 0) >= 4, "\(id) has axes with titles")
                    #expect((chart["rows"] as? Int ?? 0) >= 2, "\(id) has a table")
                    #expect(chart["isSound"] as? Bool == true, "\(id)")
                    let readout = "\(chart["readout"] ?? "")"
                    #expect(readout.contains("step 12") || readout.contains("layer 2"), "\(id): \(readout)")
                }
            }
        }
    }

    /// Without this check, the test above could not fail.
    @Test(.enabled(if: hasBrowser, "needs a headless browser, such as chromium-headless-shell, and python3"))
    func browserReportsErrorsAndRequests() throws {
        try withTemporaryDirectory { path in
            let page = "\(path)/page.html"
            try "<script>absent()</script><img src=\"http://127.0.0.1:9/image.png\">".write(
                toFile: page, atomically: false, encoding: .utf8)
            let answer = try opened(page)
            #expect((answer["errors"] as? [String])?.contains { $0.contains("absent is not defined") } == true)
            #expect((answer["requests"] as? [String]) == ["http://127.0.0.1:9/image.png"])
        }
    }
}
