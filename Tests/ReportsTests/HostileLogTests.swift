import Base
import Foundation
import Reports
import TestSupport
import Testing

/// Logs, measures and settings with hostile values: a report of them is a page, or a failure in one line.
@Suite struct HostileLogTests {
    @Test func reportsOfHostileLogsAreHarmless() async throws {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            try ReportFuzz.run(iterations: 300)
        }
        #expect(
            result?.standardErrorContent.isEmpty == true,
            "\(String(decoding: result?.standardErrorContent ?? [], as: UTF8.self))")
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("hostile logs"))
        print(text, terminator: "")
    }
}

/// Runs in the child process.
enum ReportFuzz {
    static func run(iterations: Int) throws {
        try limitFuzzing(memory: 2 << 30)
        let lines = (1...20).map { stepLine($0, loss: 1 / Double($0)) }
        let measure =
            #"{"step":5,"epoch":0.5,"images":4,"encoder":[{"coding_rate":{"mean":1,"deviation":0.5}}],"decoder":[]}"#
        let settings = #"{"command":"pretrain","options":{"dim":"8"},"resolved":{"dim":"8","steps":"20"}}"#
        var generator = KeyedGenerator(seed: 9, .augmentation, 0, 0)
        let hostile = HostileJSON { generator.next() }
        var (pages, failures) = (0, 0)
        for number in fuzzIterations(iterations) {
            var log = lines
            for _ in 0...number % 4 {
                let place = Int(generator.next() % UInt64(log.count))
                log[place] = String(decoding: try hostile.changed(Data(lines[place].utf8)), as: UTF8.self) + "\n"
            }
            let files = [
                "log.jsonl": log.joined(),
                "measures.jsonl": String(decoding: try hostile.changed(Data(measure.utf8)), as: UTF8.self) + "\n",
                "config.json": number % 2 == 0
                    ? settings : String(decoding: try hostile.changed(Data(settings.utf8)), as: UTF8.self),
            ]
            try withRuns(["hostile": files, "sound": ["log.jsonl": lines.joined()]]) { path in
                do {
                    try RunReport(run: "\(path)/hostile").write(to: "\(path)/report.html")
                    try RunComparison(runs: ["\(path)/hostile", "\(path)/sound"]).write(to: "\(path)/comparison.html")
                    pages += 1
                } catch {
                    guard Failure(from: error).description.count < 900 else { exit(2) }
                    failures += 1
                }
            }
        }
        print("hostile logs: \(pages) pages, \(failures) failures")
    }
}
