import Base
import Kernels
import Loader
import Testing

@Suite struct SamplerTests {
    @Test func everySampleAppearsOncePerEpochInANewOrder() {
        var sampler = Sampler(count: 100, seed: 3)
        let positions = (0..<300).map { sampler.sample(at: $0) }
        for epoch in 0..<3 {
            let part = positions[epoch * 100..<(epoch + 1) * 100]
            #expect(part.allSatisfy { $0.epoch == epoch })
            #expect(Set(part.map(\.sample)) == Set(0..<100))
        }
        #expect(positions[0..<100].map(\.sample) != positions[100..<200].map(\.sample))
        // Any position, in any order, as after a resume.
        var other = Sampler(count: 100, seed: 3)
        for position in [250, 3, 199, 100] { #expect(other.sample(at: position) == positions[position]) }
    }

    /// Two billion samples, none of them stored. Each appears exactly once per epoch because the order is
    /// invertible: every sample tested has a position that maps back to it.
    @Test(arguments: [0, 1, 999_983])
    func twoBillionSamplesAppearOnceEach(epoch: Int) throws {
        let count = 2_000_000_011
        var sampler = Sampler(count: count, seed: 17)
        let order = KeyedPermutation(count: count, seed: 17, epoch: epoch)
        // The ends, and ranges in between.
        for start in [0, 1_234_567_890, 1 << 30, count - 20_000] {
            for sample in start..<start + 20_000 {
                let position = order.position(of: sample)
                try #require(position >= 0 && position < count)
                let found = sampler.sample(at: epoch * count + position)
                if found != (epoch, sample) { Issue.record("\(sample) is at \(position), where \(found) is") }
            }
            let drawn = (start..<start + 20_000).map { sampler.sample(at: epoch * count + $0).sample }
            try #require(Set(drawn).count == 20_000 && drawn.allSatisfy { (0..<count).contains($0) })
            // Uniform: of 20,000 draws, a tenth of the samples gets 2,000, with a standard deviation of 42.
            let tenths = drawn.reduce(into: [Int](repeating: 0, count: 10)) { $0[$1 / (count / 10 + 1)] += 1 }
            #expect(tenths.allSatisfy { abs($0 - 2000) < 210 })
        }
    }

    /// The ranks' micro-batches of a set of two billion: together they have each position once, computed from a counter. Starting
    /// anywhere gives the same as starting from the beginning.
    @Test(arguments: [(1, 8), (2, 8), (8, 4), (64, 1)])
    func ranksDivideThePositions(ranks: Int, size: Int) {
        let (batch, firstStep, steps) = (512, 3_906_240, 4)
        func sequence(_ rank: Int, from step: Int) -> BatchSequence {
            let share = batch / ranks
            return BatchSequence(
                first: step * batch + rank * share, size: size, sizesInARow: share / size, stride: batch,
                end: (firstStep + steps) * batch)
        }
        var seen: [Int] = []
        for rank in 0..<ranks {
            let own = sequence(rank, from: 0)
            let perStep = batch / ranks / size
            let resumed = sequence(rank, from: firstStep)
            for number in 0..<perStep * steps {
                let positions = own[firstStep * perStep + number]
                #expect(positions == resumed[number] && positions.count == size)
                seen += positions
            }
            #expect(resumed[perStep * steps].isEmpty && resumed[1 << 40].isEmpty)
        }
        #expect(seen.sorted() == Array(firstStep * batch..<(firstStep + steps) * batch))
    }

    @Test func lastMicroBatchMayBeShort() {
        let sequences = (0..<3).map { BatchSequence(first: 4 * $0, size: 4, stride: 12, end: 21) }
        let found = sequences.map { sequence in (0..<3).map { sequence[$0] } }
        #expect(found[0] == [0..<4, 12..<16, 21..<21])
        #expect(found[1] == [4..<8, 16..<20, 21..<21])
        #expect(found[2] == [8..<12, 20..<21, 21..<21])
    }
}
