import Base
import Testing

@Suite struct RandomTests {
    @Test func streamIsAFunctionOfItsKeys() {
        func first(_ purpose: KeyedGenerator.Purpose, seed: UInt64, _ a: Int, _ b: Int) -> UInt64 {
            var generator = KeyedGenerator(seed: seed, purpose, a, b)
            return generator.next()
        }
        let reference = first(.mask, seed: 1, 2, 3)
        #expect(reference == first(.mask, seed: 1, 2, 3))
        let others = [
            first(.order, seed: 1, 2, 3), first(.mask, seed: 2, 2, 3), first(.mask, seed: 1, 3, 2),
            first(.mask, seed: 1, 2, 4),
        ]
        #expect(Set(others + [reference]).count == 5)
    }

    @Test func streamIsTheSameOnEveryMachine() {
        var generator = KeyedGenerator(seed: 7, .augmentation, 1, 2)
        // Computed by a Python version of the formula.
        let expected: [UInt64] = [2_833_084_399_275_629_293, 12_967_521_643_569_348_874, 6_599_968_554_766_309_598]
        #expect((0..<3).map { _ in generator.next() } == expected)
    }

    @Test func uniformAndNormalHaveTheExpectedMoments() {
        var generator = KeyedGenerator(seed: 3, .initialisation, 0)
        let count = 200_000
        let uniform = (0..<count).map { _ in generator.uniform() }
        let mean = uniform.reduce(0, +) / Double(count)
        #expect(uniform.allSatisfy { (0..<1).contains($0) } && abs(mean - 0.5) < 0.003)
        let normal = (0..<count).map { _ in generator.normal() }
        let normalMean = normal.reduce(0, +) / Double(count)
        let variance = normal.reduce(0) { $0 + $1 * $1 } / Double(count)
        #expect(abs(normalMean) < 0.01 && abs(variance - 1) < 0.02)
        let indices = (0..<count).map { _ in generator.index(below: 7) }
        #expect((0..<7).allSatisfy { value in abs(indices.filter { $0 == value }.count - count / 7) < 1000 })
    }

    @Test(arguments: [1, 2, 3, 7, 64, 600, 1000])
    func permutationIsABijectionThatDependsOnTheEpoch(count: Int) {
        let first = KeyedPermutation(count: count, seed: 5, epoch: 0)
        #expect(Set((0..<count).map { first[$0] }) == Set(0..<count))
        let second = KeyedPermutation(count: count, seed: 5, epoch: 1)
        if count >= 64 { #expect((0..<count).filter { first[$0] == second[$0] }.count < count / 10) }
    }
}
