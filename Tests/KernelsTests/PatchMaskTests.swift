import Base
import Kernels
import Testing

@Suite struct PatchMaskTests {
    @Test func maskHidesTheRightNumberUniformly() {
        let (patches, visible) = (196, visiblePatchCount(patchCount: 196, ratio: 0.75))
        #expect(visible == 49)
        var counts = [Int](repeating: 0, count: patches)
        for sample in 0..<4000 {
            var generator = KeyedGenerator(seed: 1, .mask, 0, sample)
            var mask = [UInt8](repeating: 9, count: patches)
            drawMask(patchCount: patches, visible: visible, using: &generator, into: &mask)
            #expect(mask.filter { $0 == 0 }.count == visible && mask.allSatisfy { $0 <= 1 })
            for patch in 0..<patches where mask[patch] == 0 { counts[patch] += 1 }
        }
        // 4000 draws with probability 1/4: mean 1000, standard deviation 27.
        #expect(counts.allSatisfy { abs($0 - 1000) < 150 })
    }
}
