import Base
import Foundation
import Images
import Reports
import TestSupport
import Testing

struct ReportTests {
    private static let settings = """
        {"command":"pretrain","options":{"data":"shards","norm-pix":"true"},
        "resolved":{"batch-size":"16","clip":"1","dim":"48","depth":"2","heads":"3","steps":"40","seed":"0"}}
        """

    @Test func everyPartOfARunIsShown() throws {
        let log =
            #"{"epoch":0,"step":0,"validation_loss":2.5}"# + "\n"
            + (1...30).map { stepLine($0, loss: 2.0 / Double($0), rank: $0 % 3) }.joined()
            + #"{"epoch":3,"step":30,"validation_top1":0.25,"validation_top5":0.75,"validation_loss":0.5}"# + "\n"
        let layer = #"{"coding_rate":{"mean":12,"std":1},"sparsity":{"mean":0.5,"std":0.1},"subspace_overlap":0.2}"#
        let measures = [0, 30].map {
            #"{"step":\#($0),"encoder":[\#(layer),\#(layer)],"decoder":[{"discrepancy":{"mean":1}},{}]}"#
        }.joined(separator: "\n")
        let files = [
            "config.json": Self.settings, "log.jsonl": log, "measures.jsonl": measures + "\n",
        ]
        try withRun(files) { run in
            let page = try RunReport(run: run).page()
            let charts = try charts(page)
            #expect(
                Set(charts.keys) == [
                    "loss", "accuracy", "learning-rate", "gradient-norm", "throughput", "time-split", "slowest-rank",
                    "slowest-time", "layers-coding_rate", "layers-sparsity", "layers-subspace_overlap",
                    "layers-discrepancy", "progress-coding_rate", "progress-sparsity", "progress-subspace_overlap",
                    "progress-discrepancy",
                ])
            #expect(numbers(charts["loss"], "y") == (1...30).map { rounded(2.0 / Double($0)) })
            #expect(numbers(charts["loss"], "x", series: 1) == [0, 30])
            #expect(numbers(charts["accuracy"], "y", series: 1) == [75])
            #expect(numbers(charts["layers-coding_rate"], "low") == [11, 11])
            #expect(numbers(charts["layers-discrepancy"], "y") == [1, nil])
            for id in charts.keys { #expect(page.contains("data-chart=\"\(id)\"")) }
            for text in ["30 of 40", "3 epochs", "<th>norm-pix</th><td>true</td>", "crate pretrain", "None: no event"] {
                #expect(page.contains(text), "\(text)")
            }
            // A namespace is only a name; nothing is fetched from it.
            #expect(!page.replacingOccurrences(of: "http://www.w3.org/2000/svg", with: "").contains("://"))
        }
    }

    private func rounded(_ value: Double) -> Double? { Double(String(format: "%.6g", value)) }

    @Test func incidentsAreReported() throws {
        let log =
            stepLine(1, loss: 1) + stepLine(2, loss: nil) + stepLine(3, loss: nil)
            + #"{"event":"after 30 s of waiting: rank 3 is late"}"# + "\n"
            + stepLine(4, loss: 1, more: ",\"substituted\":2") + stepLine(9, loss: 0.5) + "what?\n"
            + stepLine(8, loss: 0.25)
            + #"{"step":9,"loss":0.1"#
        let incident = #"{"exit_code":137,"step":4,"time":"2026-01-02T03:04:05+00:00","what":"exit code 137"}"# + "\n"
        try withRun(["log.jsonl": log, "incidents.jsonl": incident]) { run in
            let page = try RunReport(run: run).page()
            for text in [
                "steps 2 to 3</td>", "2 steps changed nothing", "rank 3 is late", "2 damaged samples",
                "steps 5 to 7</td>",
                "missing from the log", "steps 8 to 9</td>", "the run went back", "1 lines cannot be read",
                "the last line is cut off", "2026-01-02T03:04:05", "exit code 137", "There is no config.json",
            ] {
                #expect(page.contains(text), "\(text)")
            }
            let loss = try charts(page)["loss"]
            #expect(numbers(loss, "x") == [1, 2, 4, 8, 8])
            #expect(numbers(loss, "y") == [1, nil, 1, nil, 0.25])
        }
    }

    @Test func longRunStaysSmallAndKeepsItsExtremes() throws {
        let count = 100_000
        var log = (1...count).map { stepLine($0, loss: $0 == 43_210 ? 9 : 1, rank: $0 % 200) }.joined()
        log += #"{"step":100000,"validation_loss":0.5}"# + "\n"
        try withRun(["log.jsonl": log]) { run in
            let page = try RunReport(run: run).page()
            #expect(page.utf8.count < 1 << 20)
            let loss = try charts(page)["loss"]
            let (means, highs, lows) = (numbers(loss, "y"), numbers(loss, "high"), numbers(loss, "low"))
            #expect(means.count <= 500)
            #expect(highs.compactMap(\.self).max() == 9 && lows.compactMap(\.self).min() == 1)
            #expect(highs.filter { $0 == 9 }.count == 1)
            #expect(numbers(loss, "x").first.flatMap(\.self) == 100.5)
            // Of 200 ranks, those that were slowest most often, each with its share of all steps.
            let ranks = try #require(try charts(page)["slowest-rank"]?["series"] as? [[String: Any]])
            #expect(ranks.count == 32)
        }
    }

    @Test func alwaysSlowestRankIsShown() throws {
        let log = (1...3).map { stepLine($0, loss: 1, rank: 1) }.joined()
        try withRun(["log.jsonl": log]) { run in
            let series = try charts(RunReport(run: run).page())["slowest-rank"]?["series"] as? [[String: Any]]
            #expect(series?.map { $0["name"] as? String } == ["1"])
        }
        let alone = #"{"step":1,"loss":1}"# + "\n"
        try withRun(["log.jsonl": alone]) { run in
            let charts = try charts(RunReport(run: run).page())
            #expect(charts["slowest-rank"] == nil)
        }
    }

    @Test func namesFromDataAreEscaped() throws {
        let evil = #"</script><script>alert(1)</script><img src=x onerror="alert('2')">&"#
        let quoted = try String(decoding: JSONEncoder().encode(evil), as: UTF8.self)
        let log = stepLine(1, loss: 1) + "{\"event\":\(quoted)}\n" + stepLine(2, loss: 1)
        let files = [
            "config.json": "{\"command\":\(quoted),\"options\":{\(quoted):\(quoted)},\"resolved\":{}}",
            "log.jsonl": log,
            "incidents.jsonl": "{\"what\":\(quoted),\"time\":\(quoted)}\n",
        ]
        try withRun(files) { run in
            var gallery = ReportGallery()
            try gallery.add(
                "samples", title: "Samples", note: evil,
                images: [(evil, Image(width: 1, height: 1, pixels: [1, 2, 3]))])
            let page = try RunReport(run: run).page(gallery)
            let markup = page.components(separatedBy: "<script>")
            #expect(markup.count == 2, "only the page's own script")
            #expect(
                !page.contains("<img src=x") && !page.contains("onerror=\"") && !page.contains("</script><script>alert")
            )
            #expect(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"))
            #expect(page.contains("src=\"data:image/png;base64,iVBOR"))
            let marks = try #require(try charts(page)["loss"]?["marks"] as? [[String: Any]])
            #expect(marks.first?["text"] as? String == "after step 1: " + evil)
        }
    }

    @Test(arguments: ["", "{", "[1,2]", "{\"model\":7,\"clip\":\"x\",\"schedule\":[]}", "null"])
    func runWithoutStepsIsShown(configuration: String) throws {
        try withRun(["config.json": configuration, "log.jsonl": "", "measures.jsonl": "{\"step\":0}\n7\n"]) { run in
            let page = try RunReport(run: run).page()
            #expect(page.contains("The log holds no step yet."))
            #expect(try charts(page).isEmpty)
        }
    }

    /// Numbers that a trainer never writes, but that may be in a corrupt file.
    @Test func extremeNumbersAreHarmless() throws {
        let lines = [
            #"{"step":-1,"loss":1}"#, #"{"step":1e300,"loss":1}"#, #"{"step":1.5,"loss":1}"#,
            #"{"step":999999999999,"loss":1e300}"#,
            #"{"step":1000000000000,"loss":-1e300,"slowest_rank":1e18,"substituted":1e300}"#, #"{"step":true}"#,
            #"{"loss":1}"#,
            #"{"step":1000000000000,"validation_loss":1e999}"#,
        ]
        let measures =
            #"{"step":3,"encoder":[7,{"sparsity":"x"},{"sparsity":{"mean":1e300,"std":-1e308}}],"decoder":{}}"#
        try withRun(["log.jsonl": lines.joined(separator: "\n") + "\n", "measures.jsonl": measures + "\n"]) { run in
            let charts = try charts(RunReport(run: run).page())
            #expect(numbers(charts["loss"], "y") == [1e300, -1e300])
            #expect(numbers(charts["layers-sparsity"], "y") == [nil, nil, 1e300])
        }
    }

    /// If part of a step's time is unknown, it is not stacked.
    @Test func stackedTimesAreOfTheSameSteps() throws {
        let gap = stepLine(3, loss: 1).replacingOccurrences(of: "\"data_seconds\":0.001,", with: "")
        let log = stepLine(1, loss: 1) + stepLine(2, loss: 1) + gap + stepLine(4, loss: 1)
        try withRun(["log.jsonl": log]) { run in
            let chart = try charts(RunReport(run: run).page())["time-split"]
            #expect(numbers(chart, "y", series: 0) == [200, 200, nil, 200])
            #expect(numbers(chart, "y", series: 1) == [1, 1, nil, 1])
            #expect((0..<3).allSatisfy { numbers(chart, "x", series: $0) == [1, 2, 3, 4] })
        }
    }

    @Test func directoryWithoutARunIsRejected() throws {
        try withRun(["notes.txt": "hello"]) { path in
            #expect(throws: Failure.self) { try RunReport(run: path) }
            #expect(throws: Failure.self) { try RunReport(run: "\(path)/absent") }
            #expect(throws: Failure.self) { try RunReport(run: "\(path)/notes.txt") }
        }
    }
}
