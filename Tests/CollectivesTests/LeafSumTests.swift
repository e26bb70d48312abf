import Base
import Collectives
import Testing

@Suite struct LeafSumTests {
    /// Values whose sums depend on the order of summation.
    private func leaf(_ number: Int, _ count: Int) -> [Float] {
        (0..<count).map { Float(($0 * 7 + number * number * 13) % 1009) * 1e-3 + Float(number % 3) * 1e4 }
    }

    /// The left part is the largest power of two that leaves a non-empty right part.
    private func tree(_ leaves: ArraySlice<[Float]>) -> [Float] {
        guard leaves.count > 1 else { return leaves.first! }
        var left = 1
        while 2 * left < leaves.count { left *= 2 }
        return zip(tree(leaves.prefix(left)), tree(leaves.dropFirst(left))).map { $0 + $1 }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8, 16])
    func leavesAreSummedInABalancedTree(count: Int) throws {
        let length = 37
        let leaves = (0..<count).map { leaf($0, length) }
        let buffer = try OwnedBuffer<Float>(count: length)
        var sum = try LeafSum(leaves: count, count: length, wire: .fp32)
        // Twice, because every step starts again.
        for _ in 0..<2 {
            for leaf in leaves.dropLast() {
                buffer.pointer.update(from: leaf, count: length)
                sum.add(buffer.pointer)
            }
            buffer.pointer.update(from: leaves.last!, count: length)
            for range in [16..<length, 3..<16, 0..<3] { sum.complete(buffer.pointer, range) }
            sum.reset()
            #expect(Array(buffer.elements) == tree(leaves[...]))
        }
        if count > 4 {
            #expect(tree(leaves[...]) != leaves.reduce([Float](repeating: 0, count: length)) { zip($0, $1).map(+) })
        }
    }

    /// With a bf16 wire format, both addends of every sum are rounded, on any rank.
    @Test func bothAddendsAreRounded() throws {
        let (a, b): (Float, Float) = (1.001, 2.003)
        func rounded(_ x: Float) -> Float {
            let bits = x.bitPattern
            return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
        }
        let buffer = try OwnedBuffer<Float>(count: 1)
        var sum = try LeafSum(leaves: 2, count: 1, wire: .bf16)
        buffer.pointer[0] = a
        sum.add(buffer.pointer)
        buffer.pointer[0] = b
        sum.complete(buffer.pointer, 0..<1)
        #expect(buffer.pointer[0] == rounded(a) + rounded(b) && buffer.pointer[0] != a + b)
    }
}
