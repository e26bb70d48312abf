import Analysis
import Testing

@Suite struct EmergenceTests {
    @Test func overlapIsIntersectionOverUnion() throws {
        var emergence = Emergence(mass: 0.6, grid: 2)
        // Patches of 4 pixels; the object covers the first patch and half of the second.
        for _ in 0..<2 {
            emergence.add([[0.9, 0.1, 0, 0], [0, 0, 0, 1], [0.5, 0.5, 0, 0]], objects: [4, 2, 0, 0], area: 4)
        }
        let result = try #require(emergence.result)
        #expect(result.images == 2)
        #expect(result.heads.map(\.iou) == [4.0 / 6, 0, 6.0 / 8])
        #expect(result.heads.map(\.error) == [0, 0, 0])
        #expect(abs(result.mean - (4.0 / 6 + 6.0 / 8) / 3) < 1e-12)
        #expect(result.best.chosen == 3 && result.best.overlap.iou == 0.75)
        // Patches at equal distance are taken in order; two of them cover the object.
        #expect(result.blob.chosen == 2 && result.blob.overlap.iou == 0.75)
    }

    @Test func choicesAreEvaluatedOnTheOtherHalf() throws {
        var emergence = Emergence(mass: 1, grid: 1)
        #expect(emergence.result == nil)
        // Grids of one patch: every mask is the whole image.
        for pixels in [4, 1, 4, 3] { emergence.add([[1]], objects: [pixels], area: 4) }
        let result = try #require(emergence.result)
        #expect(result.best.overlap.iou == 0.5)
        #expect(result.heads.first?.iou == 0.75)
        #expect(abs(result.best.overlap.error - 0.25) < 1e-12)
    }

    @Test func bestHeadOfOneHalfMayBeWorstOnTheOther() throws {
        var emergence = Emergence(mass: 0.6, grid: 2)
        for _ in 0..<3 {
            emergence.add([[1, 0, 0, 0], [0, 1, 0, 0]], objects: [4, 0, 0, 0], area: 4)
            emergence.add([[1, 0, 0, 0], [0, 1, 0, 0]], objects: [0, 4, 0, 0], area: 4)
        }
        let result = try #require(emergence.result)
        #expect(result.heads.map(\.iou) == [0.5, 0.5])
        #expect(result.best.chosen == 1 && result.best.overlap.iou == 0)
        #expect(result.blob.chosen == 1 && result.blob.overlap.iou == 0)
    }

    /// Patches nearest to the centre come first.
    @Test func blobGrowsFromTheCentre() throws {
        var emergence = Emergence(mass: 0.6, grid: 3)
        let cross = [0, 1, 0, 1, 1, 1, 0, 1, 0]
        for _ in 0..<2 { emergence.add([[Float](repeating: 1, count: 9)], objects: cross, area: 1) }
        let result = try #require(emergence.result)
        #expect(result.blob.chosen == 5 && result.blob.overlap.iou == 1)
    }
}
