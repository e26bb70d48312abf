import Foundation
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
private let python = "\(root)/.venv/bin/python"

private var hasPyTorch: Bool {
    (try? run([python, "-c", "import torch, safetensors"]))?.status == 0
}

@Suite struct PyTorchTests {
    /// Runs the tests in Tests/Python with the program built next to these tests.
    @Test(.enabled(if: hasPyTorch, ".venv has no torch and safetensors; run: Launch/setup --tests"))
    func exportsAndImportsAgreeWithPyTorch() throws {
        let environment = ProcessInfo.processInfo.environment.merging(["CRATE": program]) { $1 }
        let result = try run(
            ["timeout", "-k", "5", "2400", python, "-m", "unittest", "discover", "-s", "\(root)/Tests/Python"],
            environment: environment)
        #expect(result.status == 0, "\(result.errors)")
    }
}
