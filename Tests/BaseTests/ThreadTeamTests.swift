import Base
import Testing

@Suite struct ThreadTeamTests {
    @Test(arguments: [1, 2, 5])
    func everyThreadRunsOncePerRun(count: Int) {
        let team = ThreadTeam(count: count)
        // One element per thread and no lock: the thread sanitiser does not understand Mutex, only the ordering by `run`.
        let calls = UnsafeMutablePointer<Int>.allocate(capacity: count)
        defer { calls.deallocate() }
        calls.initialize(repeating: 0, count: count)
        for _ in 0..<100 { team.run { thread in calls[thread] += 1 } }
        #expect((0..<count).map { calls[$0] } == [Int](repeating: 100, count: count))
    }

    /// In each round, every thread writes its number. After the barrier, all threads must read all numbers of that round.
    @Test(arguments: [2, 3, 4])
    func barrierSeparatesRounds(count: Int) {
        let team = ThreadTeam(count: count)
        let rounds = 300
        let board = UnsafeMutablePointer<Int>.allocate(capacity: count)
        defer { board.deallocate() }
        let sums = UnsafeMutablePointer<Int>.allocate(capacity: count * rounds)
        defer { sums.deallocate() }
        team.run { thread in
            for round in 0..<rounds {
                board[thread] = round * thread
                team.sync()
                sums[thread * rounds + round] = (0..<count).reduce(0) { $0 + board[$1] }
                team.sync()
            }
        }
        let expected = (0..<rounds).map { $0 * count * (count - 1) / 2 }
        for thread in 0..<count { #expect((0..<rounds).map { sums[thread * rounds + $0] } == expected) }
    }

    @Test(arguments: [1, 2, 3, 7], [0, 1, 16, 17, 384])
    func partsCoverTheRangeInOrder(count: Int, whole: Int) {
        let team = ThreadTeam(count: count)
        for grain in [1, 16] {
            let parts = (0..<count).map { team.part($0, of: whole, grain: grain) }
            #expect(parts.flatMap { Array($0) } == Array(0..<whole))
            #expect(parts.allSatisfy { $0.isEmpty || $0.lowerBound % grain == 0 })
        }
    }

    /// Every element belongs to one thread; 16 threads have equal parts of tiny's weights.
    @Test(arguments: [1, 2, 3, 6, 16], [(384, 384), (33, 100), (10, 768), (1, 1)])
    func blocksCoverTheMatrix(count: Int, shape: (rows: Int, columns: Int)) {
        let team = ThreadTeam(count: count)
        var owners = [Int](repeating: 0, count: shape.rows * shape.columns)
        for thread in 0..<count {
            let block = team.block(thread, rows: shape.rows, columns: shape.columns, grain: 16)
            for row in block.rows { for column in block.columns { owners[row * shape.columns + column] += 1 } }
            if count == 16, shape.rows == 384 { #expect(block.rows.count == 96 && block.columns.count == 96) }
        }
        #expect(owners.allSatisfy { $0 == 1 })
    }
}
