import Collectives
import Testing

@Suite struct PartitionTests {
    @Test(arguments: [1, 100, 4096, 50_000, 300_001], [1, 2, 3, 4, 6, 8, 16])
    func everyValueHasOneOwner(count: Int, ranks: Int) {
        for bucketCount in [1, 10_000, 40_960, 1 << 30] {
            let partition = Partition(count: count, bucketCount: bucketCount, ranks: ranks)
            #expect(partition.buckets.first?.upperBound == count && partition.buckets.last?.lowerBound == 0)
            var end = 0
            for part in partition.owners {
                #expect(part.range.lowerBound == end && end % Partition.blockCount == 0)
                #expect(partition.parts(of: part.rank).contains(part.range))
                end = part.range.upperBound
            }
            #expect(end == count)
            let owned = (0..<ranks).flatMap { partition.parts(of: $0) }.reduce(0) { $0 + $1.count }
            #expect(owned == count)
        }
    }

    @Test func partsHaveEqualSize() {
        let partition = Partition(count: 64 * Partition.blockCount, bucketCount: 16 * Partition.blockCount, ranks: 4)
        for rank in 0..<4 {
            #expect(partition.parts(of: rank).map(\.count) == Array(repeating: 4 * Partition.blockCount, count: 4))
        }
    }
}
