import Foundation
import Testing

@Suite struct CompareTests {
    private func golden(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
            + "/DiagnosticsTests/Golden/\(name).safetensors"
    }

    @Test(arguments: ["mae_normalised", "mae_pixels", "mae_one_head"])
    func goldenCasePassesAtTheDefaultTolerance(name: String) throws {
        let result = try crate(["compare", golden(name)])
        #expect(result.status == 0, "\(result.errors)")
        for kind in ["output.encoder", "output.decoder", "output.pred", "output.loss", "grad.cls_token", "step.loss"] {
            #expect(result.output.contains("\n\(kind) "), "\(kind)")
        }
    }

    @Test func classifierCasePasses() throws {
        let result = try crate(["compare", golden("classifier"), "--threads", "3"])
        #expect(result.status == 0, "\(result.errors)")
        for kind in ["output.loss", "grad.pos_embedding", "grad.mlp_head.weight", "grad (all)"] {
            #expect(result.output.contains("\n\(kind) "), "\(kind)")
        }
    }

    @Test func bf16HasItsOwnTolerances() throws {
        let result = try crate(["compare", golden("mae_normalised"), "--precision", "bf16"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("4 of 4 kinds within their tolerance"))
        #expect(result.output.contains("\ngrad (all) "))
    }

    @Test func impossibleToleranceFails() throws {
        let result = try crate(["compare", golden("mae_one_head"), "--tolerance", "1e-9"])
        #expect(result.status == 1)
        #expect(result.output.contains("over 1e-09"))
    }

    @Test func invalidCaseIsRejectedInOneLine() throws {
        for path in [golden("none"), #filePath] {
            let result = try crate(["compare", path])
            #expect(result.status == 1)
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
            #expect(result.failureLines.count == 1)
        }
    }
}
