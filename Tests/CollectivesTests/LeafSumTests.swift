import Buffers
import Collectives
import Testing

@Suite struct LeafSumTests {
    /// Values whose sums depend on the order.
    private func leaf(_ number: Int, _ count: Int) -> [Float] {
        (0..<count).map { Float(($0 * 7 + number * number * 13) % 1009) * 1e-3 + Float(number % 3) * 1e4 }
    }

    /// The left part is the largest power of two that leaves something for the right one.
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
        var sum = try LeafSum(leaves: count, count: length)
        // Twice, since every step begins anew.
        for _ in 0..<2 {
            for leaf in leaves {
                buffer.pointer.update(from: leaf, count: length)
                sum.add(buffer.pointer)
            }
            #expect(Array(buffer.elements) == tree(leaves[...]))
        }
        if count > 4 {
            #expect(tree(leaves[...]) != leaves.reduce([Float](repeating: 0, count: length)) { zip($0, $1).map(+) })
        }
    }
}
