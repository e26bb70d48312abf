import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct DoctorTests {
    private struct Report: Decodable {
        struct Rank: Decodable { let productRate: Double }
        struct Finding: Decodable { let subject, verdict: String }
        let ranks: [Rank]
        let reductionBytesPerSecond: Double
        let findings: [Finding]
    }

    @Test(arguments: [nil, 2]) func doctorMeasuresAndAcceptsADirectory(ranks: Int?) throws {
        try withTemporaryDirectory { path in
            let result = try crate(["doctor", path, "--seconds", "0.2", "--json"], ranks: ranks)
            #expect(result.status == 0, "\(result.errors)")
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let report = try decoder.decode(Report.self, from: Data(result.output.utf8))
            #expect(report.ranks.count == ranks ?? 1)
            #expect(report.ranks.allSatisfy { $0.productRate > 1e7 })
            #expect(report.reductionBytesPerSecond > 0)
            #expect(!report.findings.contains { $0.verdict == "bad" })
            #expect(report.findings.contains { $0.subject == "directory" && $0.verdict == "good" })
            #expect(try FileManager.default.contentsOfDirectory(atPath: path).isEmpty, "no files are left")
        }
    }

    @Test func fatalFindingsGiveExitCodeOne() throws {
        let result = try crate(["doctor", "/nonexistent", "--seconds", "0.1", "--threads", "3"])
        #expect(result.status == 1)
        let lines = result.output.split(separator: "\n")
        let place = try #require(lines.firstIndex { $0.hasPrefix("bad ") && $0.contains("/nonexistent") })
        #expect(lines.dropFirst(place + 1).first?.hasPrefix("      -> ") == true, "advice")
    }

    @Test func versionShowsBuildAndLibraries() throws {
        let result = try crate(["--version"])
        #expect(result.status == 0)
        let names = [
            "crate ", "Swift 6", "OpenBLAS ", "kernels for ", "Open MPI ", "HDF5 ", "libwebp ", "giflib ", "libtiff ",
        ]
        for name in names {
            #expect(result.output.contains(name), "\(result.output)")
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func completionsContainTheSubcommands(shell: String) throws {
        let result = try crate(["--generate-completion-script", shell])
        #expect(result.status == 0)
        for name in ["pretrain", "doctor", "batch-size"] { #expect(result.output.contains(name)) }
        if shell == "bash" {
            let script = try RunningCommand(["bash", "-n", "-c", result.output]).finish()
            #expect(script.status == 0, "\(script.errors)")
        }
    }
}
