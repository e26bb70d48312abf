import Analysis
import Base
import Images
import Testing

@Suite struct AttentionTests {
    private func maps(_ heads: [[Float]]) throws -> AttentionMaps {
        let pixels = (0..<8 * 8 * 3).map { UInt8($0) }
        return AttentionMaps(
            original: try Image(width: 8, height: 8, pixels: pixels),
            tiling: try PatchTiling(imageSize: 8, patchSize: 4), heads: heads)
    }

    @Test func maskIsTheSmallestSetWithTheMass() {
        let map: [Float] = [0.1, 0.3, 0.2, 0.2]
        #expect(AttentionMaps.mask(map, mass: 0.3) == [false, true, false, false])
        // The first of equal values.
        #expect(AttentionMaps.mask(map, mass: 0.6) == [false, true, true, false])
        #expect(AttentionMaps.mask(map, mass: 1) == [true, true, true, true])
    }

    @Test func sheetShowsEveryHeadAndTheMean() throws {
        let maps = try maps([[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]])
        #expect(maps.mean == [Float(1) / 3, Float(1) / 3, 0, Float(1) / 3])
        let sheet = try maps.sheet(mass: 0.6, gap: 1)
        try #require((sheet.width, sheet.height) == (5 * 9 - 1, 17))
        // The original comes first; the mask of the first head shows the patch it attends to unchanged.
        for row in 0..<8 {
            let line = Array(maps.original.pixels[24 * row..<24 * (row + 1)])
            #expect(Array(sheet.pixels[3 * row * sheet.width..<3 * row * sheet.width + 24]) == line)
            guard row < 4 else { continue }
            let start = 3 * ((row + 9) * sheet.width + 9)
            #expect(Array(sheet.pixels[start..<start + 12]) == Array(line[0..<12]))
            #expect(Array(sheet.pixels[start + 12..<start + 24]) == line[12..<24].map { $0 / 5 })
        }
        #expect(try maps.sheet(heads: [2], gap: 1).width == 3 * 9 - 1)
        #expect(throws: Failure.self) { try maps.sheet(heads: [4]) }
        #expect(throws: Failure.self) { try maps.sheet(heads: [0]) }
    }

    @Test func overlappingPatchesAssignEachPixelToTheNearest() throws {
        let tiling = try PatchTiling(imageSize: 8, patchSize: 4, stride: 2)
        #expect(tiling.patchesPerSide == 3)
        // Centres at 2, 4 and 6 pixels: the first and the last stripe extend to the border.
        let head: [Float] = [0, 0, 0, 0, 1, 0, 0, 0, 0]
        let white = try Image(width: 8, height: 8, pixels: [UInt8](repeating: 255, count: 8 * 8 * 3))
        let sheet = try AttentionMaps(original: white, tiling: tiling, heads: [head]).sheet(mass: 0.6, gap: 0)
        try #require(sheet.width >= 16 && sheet.height >= 16)
        for row in 0..<8 {
            for column in 0..<8 {
                let isKept = (3...4).contains(row) && (3...4).contains(column)
                #expect(sheet.pixels[3 * ((row + 8) * sheet.width + 8 + column)] == (isKept ? 255 : 51))
            }
        }
        #expect(try PatchTiling(imageSize: 8, patchSize: 4).patchesPerSide == 2)
        #expect(throws: Failure.self) { try PatchTiling(imageSize: 8, patchSize: 4, stride: 3) }
        #expect(throws: Failure.self) { try PatchTiling(imageSize: 8, patchSize: 4, stride: 0) }
        #expect(throws: Failure.self) { try PatchTiling(imageSize: 8, patchSize: 16) }
    }
}
