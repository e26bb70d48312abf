import Analysis
import Base
import Testing

@Suite struct FeatureSourceTests {
    @Test func layersMatchTheModel() throws {
        let all = try FeatureSource.sources(layers: "all", poolings: [.mean], depth: 2)
        #expect(all.map(\.name) == ["mean.1", "mean.2", "mean.norm"])
        let some = try FeatureSource.sources(layers: "2,norm", poolings: [.classToken, .mean], depth: 2)
        #expect(some.map(\.name) == ["class.2", "mean.2", "class.norm", "mean.norm"])
    }

    @Test(arguments: ["", "0", "3", "1,1", "norm,1,norm", "first"])
    func invalidLayersAreRejected(layers: String) {
        #expect(throws: Failure.self) { try FeatureSource.sources(layers: layers, poolings: [.mean], depth: 2) }
    }

    @Test func duplicatePoolingIsRejected() {
        #expect(throws: Failure.self) {
            try FeatureSource.sources(layers: "all", poolings: [.mean, .mean], depth: 2)
        }
    }
}
