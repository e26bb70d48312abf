import Kernels
import Testing

@Suite struct InterpolatedTableTests {
    @Test func theSameGridIsTheSameTable() {
        let table = (0..<10 * 3).map { Float(($0 * 37) % 11) }
        #expect(interpolatedTable(table, grid: 3, to: 3, dim: 3) == table)
    }

    /// A cubic kernel keeps what is linear, away from the edges where positions are clamped.
    @Test(arguments: [(8, 12), (8, 16), (12, 8)]) func rampsStayRamps(_ grid: Int, _ target: Int) {
        let ramp = (0..<grid).flatMap { row in (0..<grid).flatMap { [Float(row), Float($0)] } }
        let result = interpolatedTable([7, 9] + ramp, grid: grid, to: target, dim: 2)
        #expect(result.count == (target * target + 1) * 2)
        #expect(Array(result[..<2]) == [7, 9])
        for row in 0..<target {
            for column in 0..<target {
                let expected = [row, column].map { (Float($0) + 0.5) * Float(grid) / Float(target) - 0.5 }
                guard expected.allSatisfy({ $0 >= 1 && $0 <= Float(grid - 2) }) else { continue }
                let first = (1 + row * target + column) * 2
                #expect(abs(result[first] - expected[0]) < 1e-5 && abs(result[first + 1] - expected[1]) < 1e-5)
            }
        }
    }
}
