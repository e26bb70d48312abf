import Foundation
import Kernels
import Testing

@Suite(.serialized) struct BenchTests {
    /// The parts are measured by one clock without gaps, so they add up to the step, however busy the machine is.
    @Test(arguments: ["fp32", "bf16"])
    func partsAddUpToTheStep(precision: String) throws {
        let result = try crate([
            "bench", "--dim", "96", "--depth", "2", "--heads", "3", "--image-size", "64", "--batch-size", "8",
            "--steps", "3", "--precision", precision, "--json",
        ])
        try #require(result.status == 0, "\(result.errors)")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let parts = try #require(object["seconds"] as? [String: Double])
        let step = try #require(object["step_seconds"] as? Double)
        #expect(
            Set(parts.keys) == [
                "embedding", "mssa", "ista", "decoder", "loss", "data", "reduction", "optimizer",
            ])
        let sum = parts.values.reduce(0, +)
        #expect(abs(sum - step) <= 1e-9 * step && parts.values.allSatisfy { $0 > 0 })
        let rates = try #require(object["images_per_second"] as? [String: Double])
        #expect(rates.keys.sorted() == ["max", "median", "min"])
        #expect(try #require(object["peak_memory_bytes"] as? Int) > 10 << 20)
        #expect(object["precision"] as? String == precision)
    }
}
