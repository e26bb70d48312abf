import Kernels
import Testing

@Suite struct PrincipalComponentsTests {
    /// The standard deviation is 3 along (1, 1, 0) / sqrt(2), 1 along (0, 0, 1), and 0 otherwise.
    @Test func findsTheDirectionsOfLargestVariance() throws {
        let root = Float(0.5).squareRoot()
        let rows = [(3, 1), (3, -1), (-3, 1), (-3, -1)].flatMap { (first: Float, second: Float) in
            [5 + first * root, 7 + first * root, 1 - second]
        }
        let found = try #require(PrincipalComponents(rows, dim: 3, components: 2))
        #expect(zip(found.mean, [5, 7, 1]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(zip(found.variances, [9, 1]).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(abs(found.totalVariance - 10) < 1e-5)
        let expected = [[Double(root), Double(root), 0], [0, 0, 1]]
        for (axis, wanted) in zip(found.axes, expected) {
            #expect(zip(axis, wanted).allSatisfy { abs($0 - $1) < 1e-6 })
        }
        let place = rows.withUnsafeBufferPointer { found.project($0.baseAddress!) }
        try #require(place.count == 2)
        #expect(abs(place[0] - 3) < 1e-6 && abs(place[1] + 1) < 1e-6)
    }

    @Test func invalidInputReturnsNil() {
        #expect(PrincipalComponents([], dim: 3, components: 1) == nil)
        #expect(PrincipalComponents([1, 2, 3], dim: 3, components: 4) == nil)
        #expect(PrincipalComponents([1, 2], dim: 3, components: 1) == nil)
    }
}
