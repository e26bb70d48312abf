import Kernels
import Testing

@Suite struct InterpolatedTableTests {
    @Test func sameGridReturnsTheSameTable() {
        let table = (0..<10 * 3).map { Float(($0 * 37) % 11) }
        #expect(interpolatedTable(table, grid: 3, to: 3, dim: 3) == table)
    }

    @Test(arguments: [(1, 4), (7, 12), (12, 7)]) func constantsAreUnchanged(_ grid: Int, _ target: Int) throws {
        let result = interpolatedTable(
            [7, 9] + (0..<grid * grid).flatMap { _ in [Float(2), -3] }, grid: grid, to: target, dim: 2)
        try #require(result.count == (target * target + 1) * 2)
        #expect(Array(result[..<2]) == [7, 9])
        for patch in 1...target * target {
            #expect(abs(result[2 * patch] - 2) < 1e-6 && abs(result[2 * patch + 1] + 3) < 1e-6)
        }
    }

    /// On a grid of twice the size, every patch is offset by 1/4 from an old one, where the kernel has these weights.
    @Test(arguments: [true, false]) func doublingTheGridUsesTheKernelAtAQuarter(_ isAlongRows: Bool) throws {
        let weights: [Float] = [-0.10546875, 0.87890625, 0.26171875, -0.03515625]
        let values: [Float] = [3, -1, 4, 1, -5, 9]
        let table = (0..<36).map { values[isAlongRows ? $0 / 6 : $0 % 6] }
        let result = interpolatedTable([0] + table, grid: 6, to: 12, dim: 1)
        try #require(result.count == 145)
        for index in 0..<144 {
            let position = isAlongRows ? index / 12 : index % 12
            let (near, side) = (position / 2, position % 2 == 0 ? -1 : 1)
            let expected = (0..<4).reduce(Float(0)) { sum, tap in
                sum + weights[tap] * values[min(5, max(0, near + side * (tap - 1)))]
            }
            #expect(abs(result[1 + index] - expected) < 1e-5)
        }
    }
}
