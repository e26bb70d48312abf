import Foundation
import TestSupport
import Testing

/// Chooses an axis, then hides the first run, and returns what the charts show each time.
private let switching = """
    (async () => {
        const view = document.getElementById("view");
        const figures = [...document.querySelectorAll("figure.chart")];
        const titles = () => [...new Set(figures.map(figure => [...figure.querySelectorAll("svg .label")].at(-1)?.textContent))];
        const curves = () => figures.map(figure => figure.querySelectorAll(".curve:not([d=''])").length);
        const result = { titles: {}, ends: {}, before: curves() };
        for (const axis of ["images", "seconds", "step"]) {
            view.querySelector(`[value=${axis}]`).click();
            result.titles[axis] = titles();
            const svg = figures[0].querySelector("svg");
            svg.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
            result.ends[axis] = figures[0].querySelector(".readout").textContent;
        }
        view.elements.run[0].click();
        result.after = curves();
        view.elements.run[1].click();
        view.elements.run[2].click();
        result.empty = figures.filter(figure => !figure.querySelector("svg")).length;
        result.isSound = !/NaN|undefined|Infinity|null/.test(document.querySelector("main").outerHTML);
        return result;
    })()
    """

@Suite(.serialized) struct ComparisonCommandTests {
    @Test func severalRunsAreComparedInOnePage() throws {
        try withShards { path in
            for (name, options) in [("one", ["--steps", "4"]), ("two", ["--steps", "2", "--seed", "7"])] {
                let trained = try crate(pretrainArguments(path, run: name, options))
                try #require(trained.status == 0, "\(trained.errors)")
            }
            let output = "\(path)/page.html"
            let drawn = try crate(["report", "\(path)/one", "\(path)/two", "--output", output], ranks: 2)
            #expect(drawn.status == 0 && drawn.output == "\(output) holds the comparison\n", "\(drawn.errors)")
            let page = try String(contentsOfFile: output, encoding: .utf8)
            #expect(page.contains("<th scope=\"row\">seed</th><td>0</td><td>7</td>"))

            let refusals = [
                ([path], "\(path) is no run"), (["\(path)/absent"], "no run directory \(path)/absent"),
                (["\(path)/one/."], "it is the same run as \(path)/one"),
                (["\(path)/two", "--output", "\(path)/absent/page.html"], "absent"),
            ]
            for (arguments, text) in refusals {
                let result = try crate(["report", "\(path)/one"] + arguments)
                #expect(result.status == 1 && result.failureLines.count == 1, "\(result.errors)")
                #expect(result.failureLines.first?.contains(text) == true, "\(result.errors)")
            }
            let pictures = try crate(["report", "\(path)/one", "\(path)/two", "--samples", "2"])
            #expect(pictures.status == 64 && pictures.errors.contains("A comparison has no pictures"))
        }
    }

    @Test(.enabled(if: hasBrowser, "needs a headless browser, such as chromium-headless-shell, and python3"))
    func browserSwitchesAxisAndRuns() throws {
        try withShards { path in
            let both = ["--validation", "\(path)/val", "--epochs", "3"]
            let runs = [("one", both), ("two", both + ["--batch-size", "32"]), ("three", ["--steps", "5"])]
            for (name, options) in runs {
                let trained = try crate(pretrainArguments(path, run: name, options))
                try #require(trained.status == 0, "\(trained.errors)")
            }
            let output = "\(path)/page.html"
            let drawn = try crate(["report"] + runs.map { "\(path)/\($0.0)" } + ["--output", output])
            try #require(drawn.status == 0, "\(drawn.errors)")

            for options in [[], ["--dark"], ["--width", "390"]] {
                let answer = try opened(output, options + ["--run", switching])
                #expect((answer["errors"] as? [String])?.isEmpty == true, "\(answer["errors"] ?? "")")
                #expect((answer["requests"] as? [String])?.isEmpty == true, "\(answer["requests"] ?? "")")
                let result = try #require(answer["result"] as? [String: Any])
                let titles = try #require(result["titles"] as? [String: [String]])
                #expect(
                    titles["images"]?.contains("images seen") == true && titles["images"]?.contains("step") == false)
                #expect(titles["seconds"]?.contains { $0.hasSuffix("seconds of training") } == true, "\(titles)")
                #expect(titles["step"]?.contains("step") == true && titles["step"]?.contains("images seen") == false)
                let ends = try #require(result["ends"] as? [String: String])
                #expect(ends["images"]?.hasPrefix("192 images seen") == true, "\(ends)")
                #expect(ends["step"]?.hasPrefix("step 12") == true, "\(ends)")
                let (before, after) = (result["before"] as? [Int] ?? [], result["after"] as? [Int] ?? [])
                #expect(before.first == 3 && zip(before, after).allSatisfy { $0 == $1 + 1 }, "\(before), \(after)")
                #expect(result["empty"] as? Int == before.count && result["isSound"] as? Bool == true)
            }
            // What holds for the charts of one run holds here.
            let answer = try opened(output, ["--run", inspection])
            let charts = try #require((answer["result"] as? [String: Any])?["charts"] as? [[String: Any]])
            #expect(charts.count >= 5)
            for chart in charts {
                #expect((chart["shapes"] as? Int ?? 0) > 0 && (chart["rows"] as? Int ?? 0) >= 2, "\(chart)")
                #expect(chart["isSound"] as? Bool == true, "\(chart)")
            }
        }
    }
}
