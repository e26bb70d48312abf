import ArgumentParser
import Foundation
import Training

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Hold the model against a golden case: outputs, gradients and AdamW steps.")

    @Argument(help: "The golden case, a safetensors file with its configuration in the metadata.")
    var path: String

    @Option(help: "Largest relative L2 error that passes.")
    var tolerance = 1e-5

    func run() throws {
        let rows = try compareWithGoldenCase(at: path)
        let width = rows.map(\.kind.count).max() ?? 0
        print("\("tensor kind".padded(to: width))  tensors  worst error  worst tensor")
        for row in rows {
            let error = String(format: "%11.2e", row.worstError)
            let verdict = row.worstError <= tolerance ? "" : "  over \(tolerance)"
            let count = String(format: "%7d", row.tensors)
            print("\(row.kind.padded(to: width))  \(count)  \(error)  \(row.worstTensor)\(verdict)")
        }
        let failed = rows.filter { !($0.worstError <= tolerance) }.count
        let worst = rows.map(\.worstError).max() ?? .infinity
        print(String(format: "%d of %d kinds within %g; worst %.2e", rows.count - failed, rows.count, tolerance, worst))
        if failed > 0 { throw ExitCode(1) }
    }
}

extension String {
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
