import ArgumentParser
import Base
import Diagnostics
import Foundation
import Optimizers
import Settings

struct CompareCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare this build with tensors that PyTorch computed: outputs, gradients and AdamW steps.",
        discussion: """
            crate compare Tests/DiagnosticsTests/Golden/mae_pixels.safetensors
            crate compare --precision bf16 \\
                Tests/DiagnosticsTests/Golden/mae_one_head.safetensors
            """)

    @Argument(help: "The golden case, a safetensors file with its configuration in the metadata.")
    var path: String

    @Option(help: ArgumentHelp("Largest relative L2 error that passes in fp32.", valueName: "x"))
    var tolerance = 1e-5
    @OptionGroup var speed: SpeedOptions

    func run() throws {
        let rows = try compareWithGoldenCase(
            at: path, speed.announcedPrecision() == .fp32 ? .fp32(tolerance) : .bf16, threads: speed.threads,
            products: speed.products)
        let width = rows.map(\.kind.count).max() ?? 0
        printLine("\("tensor kind".padded(to: width))  tensors  worst error  worst tensor")
        for row in rows {
            let error = String(format: "%11.2e", row.worstError)
            let verdict = row.passes ? "" : "  over \(row.tolerance ?? 0)"
            let count = String(format: "%7d", row.tensors)
            printLine("\(row.kind.padded(to: width))  \(count)  \(error)  \(row.worstTensor)\(verdict)")
        }
        if let row = rows.first(where: { !$0.worstError.isFinite }) {
            throw Failure(
                "\(row.worstTensor) of \(path) is not finite here, or has another size there",
                hint: "compare a case whose values are finite")
        }
        let judged = rows.filter { $0.tolerance != nil }
        let passed = judged.filter(\.passes).count
        let worst = judged.map(\.worstError).max() ?? .infinity
        printLine(String(format: "%d of %d kinds within their tolerance; worst %.2e", passed, judged.count, worst))
        if passed < judged.count { throw ExitCode(1) }
    }
}

extension String {
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
