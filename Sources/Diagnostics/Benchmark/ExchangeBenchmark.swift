import Base
import Collectives
import CrateModel
import Optimizers

/// The cost of summing gradients and updating parameters on all ranks, without overlap. Medians over the rounds.
package struct ExchangeResult: Codable, Sendable {
    /// This program's exchange: tree reduction, update of the own parts, gather.
    package let treeSeconds: Double
    /// MPI_Allreduce and the update of all parameters on every rank.
    package let allReduceSeconds: Double
}

/// Measures both alternately, `rounds` times each, after a warm-up round. Collective.
package func benchmarkExchange(
    _ model: Model, wire: WireFormat, bucketBytes: Int, rounds: Int, world: World
) throws -> ExchangeResult {
    let layout = model.layout
    let partition = Partition(
        count: layout.bufferCount, bucketCount: bucketBytes / 4, ranks: world.size)
    let rule = UpdateRule.adamW(weightDecay: 0.1)
    let sharded = try world.agree { try Optimizer(layout, rule: rule, parts: partition.parts(of: world.rank)) }
    let whole = try world.agree { try Optimizer(layout, rule: rule) }
    let shardedBuffers = try world.agree { try FlatBuffers(layout) }
    let wholeBuffers = try world.agree { try FlatBuffers(layout) }
    let squares = try world.agree { try OwnedBuffer<Double>(count: partition.blocks) }
    let exchange = try world.agree {
        try GradientExchange(
            world, partition, leaves: 1, gradients: shardedBuffers.gradients.pointer,
            parameters: shardedBuffers.parameters.pointer, wire: wire)
    }
    var (tree, allReduce): ([Double], [Double]) = ([], [])
    for round in 0...rounds {
        shardedBuffers.fillGradients()
        wholeBuffers.fillGradients()
        world.barrier()
        var watch = Stopwatch()
        exchange.complete(from: 0)
        _ = exchange.finishReduction()
        sharded.sumSquares(of: shardedBuffers.gradients.pointer, into: squares.pointer)
        world.sum(squares.elements)
        for part in sharded.parts.indices {
            shardedBuffers.update(sharded, part: part, step: round)
            exchange.publish()
        }
        exchange.finishGather()
        world.barrier()
        let treeSeconds = watch.lap()
        world.sum(wholeBuffers.gradients.pointer, count: layout.bufferCount)
        whole.sumSquares(of: wholeBuffers.gradients.pointer, into: squares.pointer)
        wholeBuffers.update(whole, part: 0, step: round)
        world.barrier()
        guard round > 0 else { continue }
        tree.append(treeSeconds)
        allReduce.append(watch.lap())
    }
    return ExchangeResult(treeSeconds: tree.median, allReduceSeconds: allReduce.median)
}

private struct FlatBuffers: ~Copyable {
    let parameters: OwnedBuffer<Float>
    let gradients: OwnedBuffer<Float>

    init(_ layout: ParameterLayout) throws {
        let parameters = try OwnedBuffer<Float>(count: layout.bufferCount)
        let gradients = try OwnedBuffer<Float>(count: layout.bufferCount)
        self.parameters = parameters
        self.gradients = gradients
    }

    /// Non-zero values, so that the arithmetic costs as much as in training.
    borrowing func fillGradients() {
        for index in 0..<gradients.count { gradients.pointer[index] = Float(index & 255) * 1e-6 }
    }

    borrowing func update(_ optimizer: borrowing Optimizer, part: Int, step: Int) {
        optimizer.update(
            part: part, of: parameters.pointer, gradients: gradients.pointer, step: step, rate: 1e-4, scale: 1)
    }
}
