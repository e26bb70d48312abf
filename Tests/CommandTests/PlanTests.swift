import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct PlanTests {
    private let small = ["--dim", "96", "--depth", "2", "--heads", "3", "--image-size", "64", "--batch-size", "16"]

    private func object(_ arguments: [String]) throws -> [String: Any] {
        let result = try crate(arguments)
        try #require(result.status == 0, "\(result.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    @Test func helpExamplesGiveTablesAndJSON() throws {
        let help = try crate(["plan", "--help"])
        let words = help.output.split(whereSeparator: \.isWhitespace).map(String.init).filter { $0 != "\\" }
        let example =
            "plan --model tiny --images 50000 --epochs 200 --batch-size 512 --gflops 95 --nodes 2 --link 1 --latency 50"
        #expect(words.joined(separator: " ").contains("crate \(example) --json"))
        let arguments = example.split(separator: " ").map(String.init)

        let plan = try object(arguments + ["--json"])
        let memory = try #require(plan["memory_bytes"] as? [String: Int])
        #expect(memory.values.reduce(0, +) == plan["memory_bytes_total"] as? Int)
        let (moments, parameters) = (try #require(memory["moments"]), try #require(memory["parameters"]))
        #expect(abs(Double(moments) / Double(parameters) - 1) < 0.01, "two ranks hold half of two moments each")
        let run = try #require(plan["run"] as? [String: Any])
        let step = try #require(run["step"] as? [String: Double])
        let parts = ["pass", "weight", "sum", "optimizer", "exposed"].compactMap { step["\($0)_seconds"] }
        #expect(abs(parts.reduce(0, +) - (run["step_seconds"] as? Double ?? 0)) < 1e-9)
        let scaling = try #require(plan["scaling"] as? [[String: Any]])
        let paying = try #require(plan["paying_nodes"] as? Int)

        let table = try crate(arguments)
        #expect(table.status == 0 && table.output.contains("\(paying) nodes pay, "))
        let rows = table.output.split(separator: "\n").drop { !$0.contains("speed-up") }.dropFirst().dropLast()
        #expect(rows.count == scaling.count)
        #expect(
            zip(rows, scaling).allSatisfy { row, run in
                row.split(separator: " ").first == ((run["step"] as? [String: Any])?["nodes"] as? Int).map { "\($0)" }
                    ?? ""
            })
    }

    /// A measured step, planned from its own measurement, takes the measured time. The memory difference between two
    /// processes of different size is as planned.
    @Test(arguments: ["fp32", "bf16"])
    func planMatchesAMeasuredRun(precision: String) throws {
        try withTemporaryDirectory { path in
            var memory: [(planned: Int, measured: Int)] = []
            for microBatch in ["1", "8"] {
                let options = [
                    "--dim", "384", "--depth", "6", "--heads", "6", "--batch-size", "8", "--micro-batch", microBatch,
                    "--precision", precision,
                ]
                let bench = try object(["bench", "--steps", "1", "--json"] + options)
                try JSONSerialization.data(withJSONObject: bench).write(to: URL(fileURLWithPath: "\(path)/bench.json"))
                let seconds = try #require(bench["seconds"] as? [String: Double])
                let others = try #require(seconds["reduction"]) + #require(seconds["optimizer"])
                let passes = try #require(bench["step_seconds"] as? Double) - others

                let plan = try object(["plan", "--steps", "10", "--bench", "\(path)/bench.json", "--json"] + options)
                let run = try #require(plan["run"] as? [String: Any])
                let step = try #require(run["step"] as? [String: Double])
                let planned = try #require(step["pass_seconds"]) + #require(step["weight_seconds"])
                #expect(abs(planned / passes - 1) < 1e-6)
                // A benchmark writes no checkpoint.
                let kinds = try #require(plan["memory_bytes"] as? [String: Int]).filter { $0.key != "checkpoint" }
                memory.append((kinds.values.reduce(0, +), try #require(bench["peak_memory_bytes"] as? Int)))
            }
            let growth = (
                planned: memory[1].planned - memory[0].planned, measured: memory[1].measured - memory[0].measured
            )
            #expect(memory[1].measured > memory[1].planned && growth.planned > 100 << 20)
            #expect(abs(Double(growth.measured) / Double(growth.planned) - 1) < 0.05, "\(memory)")

            let other = try crate(
                ["plan", "--steps", "10", "--bench", "\(path)/bench.json", "--precision", precision])
            #expect(other.status != 0 && other.failureLines.count == 1 && other.errors.contains("GFLOP an image"))
        }
    }

    @Test func invalidOptionsAreRejectedInOneLine() throws {
        try withTemporaryDirectory { path in
            try Data("{\"ranks\": 0}".utf8).write(to: URL(fileURLWithPath: "\(path)/other.json"))
            try Data().write(to: URL(fileURLWithPath: "\(path)/empty.json"))
            let rate = ["--gflops", "95"]
            let cases: [(String, [String])] = [
                ("--nodes 0 is no power of two", rate + ["--nodes", "0"]),
                ("--nodes 3 is no power of two", rate + ["--nodes", "3"]),
                ("--ranks-per-node 1048576", rate + ["--ranks-per-node", "1048576"]),
                ("does not divide over 32 ranks", rate + ["--nodes", "32"]),
                ("micro-batches of 3", rate + ["--micro-batch", "3"]),
                ("--gflops 0 is outside", ["--gflops", "0"]),
                ("--gflops nan is outside", ["--gflops", "nan"]),
                ("--link 0 is outside", rate + ["--link", "0"]),
                ("--link 1e+30 is outside", rate + ["--link", "1e30"]),
                ("--latency -1 is outside", rate + ["--latency=-1"]),
                ("--fraction 2 is outside", rate + ["--fraction", "2"]),
                ("--images 0 is outside", rate + ["--images", "0"]),
                ("cannot open \(path)/none.json", ["--bench", "\(path)/none.json"]),
                ("other.json was not written by crate bench", ["--bench", "\(path)/other.json"]),
                ("empty.json was not written by crate bench", ["--bench", "\(path)/empty.json"]),
                ("\(path) is not a regular file", ["--bench", path]),
                ("--dim", rate + ["--dim", "99999999"]),
            ]
            for (text, arguments) in cases {
                let result = try crate(["plan"] + small + ["--images", "1000"] + arguments)
                let lines = result.errors.split(separator: "\n")
                #expect(
                    result.status == 1 && lines.count == 1 && result.output.isEmpty, "\(arguments): \(result.errors)")
                #expect(lines.first?.contains(text) == true, "\(text): \(result.errors)")
            }
            let nothing = try crate(["plan"] + small + rate)
            #expect(nothing.failureLines.first?.contains("neither --images nor --steps") == true)
            for more in [[], rate + ["--bench", "file"], ["--bench", "file", "--fraction", "0.9"]] {
                let result = try crate(["plan", "--images", "1000"] + more)
                #expect(result.status != 0 && result.errors.contains("Error: Give --"), "\(result.errors)")
            }
        }
    }
}
