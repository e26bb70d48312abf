import Synchronization
import Testing
import Threads

@Suite struct ThreadTeamTests {
    @Test(arguments: [1, 2, 5])
    func everyThreadRunsOnceARun(count: Int) {
        let team = ThreadTeam(count: count)
        let calls = Mutex([Int](repeating: 0, count: count))
        for _ in 0..<100 { team.run { thread in calls.withLock { $0[thread] += 1 } } }
        #expect(calls.withLock { $0 } == [Int](repeating: 100, count: count))
    }

    /// Each round every thread writes its number, and after the barrier all must read all numbers of that round.
    @Test(arguments: [2, 3, 4])
    func aBarrierSeparatesWhatIsBeforeFromWhatIsAfter(count: Int) {
        let team = ThreadTeam(count: count)
        let rounds = 300
        let board = UnsafeMutablePointer<Int>.allocate(capacity: count)
        defer { board.deallocate() }
        let seen = Mutex([Int]())
        team.run { thread in
            var sums: [Int] = []
            for round in 0..<rounds {
                board[thread] = round * thread
                team.sync()
                sums.append((0..<count).reduce(0) { $0 + board[$1] })
                team.sync()
            }
            seen.withLock { $0 += sums }
        }
        let expected = (0..<rounds).map { $0 * count * (count - 1) / 2 }
        #expect(seen.withLock { $0.sorted() } == expected.flatMap { [Int](repeating: $0, count: count) })
    }

    @Test(arguments: [1, 2, 3, 7], [0, 1, 16, 17, 384])
    func partsAreTheWholeInOrder(count: Int, whole: Int) {
        let team = ThreadTeam(count: count)
        for grain in [1, 16] {
            let parts = (0..<count).map { team.part($0, of: whole, grain: grain) }
            #expect(parts.flatMap { Array($0) } == Array(0..<whole))
            #expect(parts.allSatisfy { $0.isEmpty || $0.lowerBound % grain == 0 })
        }
    }
}
