import Base
import Foundation
import Reports
import TestSupport
import Testing

struct ComparisonTests {
    @Test func runsAreLaidOverEachOther() throws {
        let layer = #"{"coding_rate":{"mean":12,"std":1},"coding_rate_after":{"mean":9},"subspace_overlap":0.2}"#
        let measures = [0, 30].map { #"{"step":\#($0),"encoder":[\#(layer),\#(layer)],"decoder":[]}"# + "\n" }.joined()
        let first = [
            "config.json": try settings(["batch-size": "16", "lr": "0.1", "seed": "0"]), "measures.jsonl": measures,
            "log.jsonl": #"{"step":0,"validation_loss":2.5}"# + "\n" + (1...30).map { stepLine($0, loss: 2) }.joined(),
        ]
        let second = [
            "config.json": try settings(["batch-size": "64", "lr": "0.2", "seed": "0"]), "measures.jsonl": measures,
            "log.jsonl": (1...10).map { stepLine($0, loss: 3) }.joined(),
        ]
        try withRuns(["small": first, "large": second]) { path in
            let page = try RunComparison(runs: ["\(path)/small", "\(path)/large/"]).page()
            let charts = try charts(page)
            #expect(
                Set(charts.keys) == [
                    "training-loss", "validation-loss", "learning-rate", "gradient-norm", "throughput",
                    "layers-coding_rate", "layers-coding_rate_after", "layers-subspace_overlap",
                ])
            let lines = try #require(charts["training-loss"]?["series"] as? [[String: Any]])
            #expect(lines.map { $0["name"] as? String } == ["small", "large"])
            #expect(lines.map { $0["run"] as? Int } == [0, 1] && lines.map { $0["colour"] as? Int } == [0, 1])
            #expect(numbers(charts["training-loss"], "x", series: 1) == (1...10).map(Double.init))
            #expect(numbers(charts["training-loss"], "y", series: 1) == [Double](repeating: 3, count: 10))
            #expect(numbers(charts["layers-coding_rate"], "low", series: 1) == [11, 11])
            for id in charts.keys { #expect(page.contains("data-chart=\"\(id)\"")) }
            for text in [
                "<th scope=\"row\">lr</th><td>0.1</td><td>0.2</td>", "<b>30 of 40</b>", "<b>640</b>",
                "2 settings are the same in all of them", "small after 30, large after 30",
                "name=\"axis\" value=\"seconds\">",
            ] {
                #expect(page.contains(text), "\(text)")
            }
            #expect(!page.contains("<th scope=\"row\">seed</th>"))
        }
    }

    private func settings(_ resolved: [String: String]) throws -> String {
        let fields = resolved.merging(["steps": "40"]) { given, _ in given }
        return
            #"{"command":"pretrain","options":{},"resolved":\#(String(decoding: try JSONEncoder().encode(fields), as: UTF8.self))}"#
    }

    /// Losses of different kinds are in charts of their own, and a run of which nothing is known yet is a column.
    @Test func runsOfDifferentKindsAreCompared() throws {
        let evaluation = #"{"step":2,"validation_loss":0.5,"validation_top1":0.25,"validation_top5":0.5}"# + "\n"
        let log = stepLine(1, loss: 1) + stepLine(2, loss: 1)
        let runs = [
            "pretrained": ["config.json": try settings(["norm-pix": "true"]), "log.jsonl": log],
            "classes": ["config.json": try settings(["classes": "5"]), "log.jsonl": log + evaluation],
            "begun": ["config.json": try settings(["norm-pix": "true"]), "log.jsonl": #"{"step":1,"lo"#],
            "bare": ["log.jsonl": #"{"step":1,"loss":4}"# + "\n"],
        ]
        try withRuns(runs) { path in
            let names = ["pretrained", "classes", "begun", "bare"]
            let page = try RunComparison(runs: names.map { "\(path)/\($0)" }).page()
            let charts = try charts(page)
            let losses = charts.filter { $0.key.contains("loss") }
            #expect(
                losses.mapValues { $0["title"] as? String } == [
                    "training-loss-1": "Training loss: reconstruction, normalised",
                    "training-loss-2": "Training loss: classification",
                    "training-loss-3": "Training loss: unknown objective",
                    "validation-loss-2": "Validation loss: classification",
                ])
            #expect(numbers(charts["top-1"], "y") == [25])
            for text in [
                "begun: The log holds no step yet.", "bare: There is no config.json.",
                "bare: images seen are unknown: no batch size is stored.",
                "bare: the time of training is unknown: the log has no times.", "value=\"images\" disabled",
            ] {
                #expect(page.contains(text), "\(text)")
            }
            let empty = try RunComparison(runs: ["\(path)/begun", "\(path)/bare"]).page()
            #expect(empty.contains("Fewer than two of the runs"))
        }
    }

    /// What a run did again or lost from its log, and the time it was stopped, are not time of training.
    @Test func timeOfTrainingIsThatOfTheSteps() throws {
        let whole = (1...4).map { stepLine($0, loss: 1) }.joined()
        let gap = stepLine(1, loss: 1) + #"{"event":"went on"}"# + "\n" + stepLine(3, loss: 1) + stepLine(4, loss: 1)
        let again = stepLine(1, loss: 1) + stepLine(2, loss: 1) + stepLine(1, loss: 1) + stepLine(2, loss: 1)
        let logs = ["whole": whole, "gap": gap, "again": again].mapValues { ["log.jsonl": $0] }
        try withRuns(logs) { path in
            let page = try RunComparison(runs: ["whole", "gap", "again"].map { "\(path)/\($0)" }).page()
            let places = try #require(try embedded(page, "runs") as? [[String: Any]])
            #expect(places.map { $0["steps"] as? [Int] } == [[0, 1, 2, 3, 4], [0, 1, 3, 4], [0, 1, 2]])
            let seconds = places.map { $0["seconds"] as? [Double] }
            #expect(seconds == [[0, 0.211, 0.422, 0.633, 0.844], [0, 0.211, 0.633, 0.844], [0, 0.211, 0.422]])
        }
    }

    @Test func namesAreTheShortestThatDiffer() throws {
        let run = ["log.jsonl": stepLine(1, loss: 1)]
        try withRuns(["a/x/run": run, "b/x/run": run, "b/run": run, "b/other": run]) { path in
            let given = ["a/x/run", "b/x/run", "b/../b/run/", "b/other"].map { "\(path)/\($0)" }
            let places = try #require(
                try embedded(try RunComparison(runs: given).page(), "runs") as? [[String: Any]])
            #expect(places.map { $0["name"] as? String } == ["a/x/run", "b/x/run", "b/run", "other"])
        }
    }

    @Test func hostileNamesAreEscaped() throws {
        let run = ["log.jsonl": stepLine(1, loss: 1), "config.json": "{\"command\":\"<b>\",\"options\":{}}"]
        let names = ["a", "b"].map { $0 + "</script><img src=x onerror=\"alert('2')\">" }
        try withRuns([names[0]: run, names[1]: run]) { path in
            let page = try RunComparison(runs: names.map { "\(path)/\($0)" }).page()
            #expect(page.components(separatedBy: "<script>").count == 2, "only the page's own script")
            #expect(page.components(separatedBy: "</script>").count == 4)
            #expect(!page.contains("<img") && !page.contains("onerror=\"") && !page.contains("crate <b>"))
            #expect(page.contains("script&gt;&lt;img src=x onerror=&quot;alert(&#39;2&#39;)&quot;&gt;"))
            let series = try #require(try charts(page)["training-loss"]?["series"] as? [[String: Any]])
            #expect(series.map { $0["name"] as? String } == names)
        }
    }

    @Test func manyLongRunsStaySmall() throws {
        let log = (1...5000).map { stepLine($0, loss: 1 / Double($0)) }.joined()
        let names = (1...12).map { "run-\($0)" }
        try withRuns(Dictionary(uniqueKeysWithValues: names.map { ($0, ["log.jsonl": log]) })) { path in
            let page = try RunComparison(runs: names.map { "\(path)/\($0)" }).page()
            #expect(page.utf8.count < 1 << 20)
            #expect(numbers(try charts(page)["training-loss"], "y", series: 11).count <= 500)
            let places = try #require(try embedded(page, "runs") as? [[String: Any]])
            #expect(places.allSatisfy { ($0["steps"] as? [Int])?.count ?? 0 <= 502 })
            #expect(places.allSatisfy { ($0["steps"] as? [Int])?.last == 5000 })
        }
    }

    @Test func whatIsNoRunOrTheSameRunIsRefused() throws {
        let run = ["log.jsonl": stepLine(1, loss: 1)]
        try withRuns(["one": run, "two": run, "none": ["notes.txt": "hello"]]) { path in
            try FileManager.default.createSymbolicLink(atPath: "\(path)/link", withDestinationPath: "\(path)/one")
            func refusal(_ names: [String]) -> String? {
                do {
                    _ = try RunComparison(runs: names.map { "\(path)/\($0)" })
                    return nil
                } catch { return Failure(from: error).description }
            }
            #expect(refusal(["one", "two"]) == nil)
            #expect(refusal(["one", "absent"])?.contains("no run directory \(path)/absent") == true)
            #expect(refusal(["none", "two"])?.contains("\(path)/none is no run") == true)
            #expect(refusal(["one", "two", "one"])?.contains("\(path)/one is given twice;") == true)
            #expect(refusal(["one", "link"])?.contains("it is the same run as \(path)/one") == true)
            #expect(refusal([String](repeating: "one", count: 13))?.contains("at most 12 runs, not 13") == true)
        }
    }
}
