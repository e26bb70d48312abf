import Buffers
import Checkpoints
import Collectives

/// Carries moments between the ranks that own them and rank 0, one parameter after the other, so that rank 0 needs the
/// memory of one parameter only. All ranks go through all parameters of all moments, in the same order.
struct MomentTransfer: ~Copyable {
    private let world: World
    private let owners: [Partition.Part]
    private let parameters: [Parameter]
    private let values: OwnedBuffer<Float>
    private var carried = 0

    /// A transfer of the moments of `layout`. Throws `Failure` when rank 0 has no memory for the largest parameter.
    init(_ layout: ParameterLayout, _ partition: Partition, world: World) throws {
        let largest = layout.parameters.map(\.count).max() ?? 0
        values = try OwnedBuffer<Float>(count: world.rank == 0 ? largest : 0)
        self.world = world
        owners = partition.owners
        parameters = layout.parameters
    }

    /// The next parameter's moments, on rank 0; valid until the next call.
    mutating func collect(from optimizer: borrowing Optimizer) -> UnsafePointer<Float> {
        forEachPiece { owner, moment, range, offset in
            if owner != world.rank {
                if world.rank == 0 { world.receive(values.pointer + offset, count: range.count, from: owner) }
            } else if owner == 0 {
                (values.pointer + offset).update(from: optimizer.values(moment, at: range), count: range.count)
            } else {
                world.send(optimizer.values(moment, at: range), count: range.count, to: 0)
            }
        }
        carried += 1
        return UnsafePointer(values.pointer)
    }

    /// Gives the next parameter's moments, which rank 0 has at `source`, to their owners.
    mutating func distribute(_ source: UnsafePointer<Float>?, to optimizer: borrowing Optimizer) {
        forEachPiece { owner, moment, range, offset in
            if owner == world.rank {
                let target = optimizer.values(moment, at: range)
                if let source {
                    target.update(from: source + offset, count: range.count)
                } else {
                    world.receive(target, count: range.count, from: 0)
                }
            } else if let source {
                world.send(source + offset, count: range.count, to: owner)
            }
        }
        carried += 1
    }

    /// Collects what has not been collected, so that nobody waits.
    mutating func collectRest(from optimizer: borrowing Optimizer) {
        while carried < Moment.allCases.count * parameters.count { _ = collect(from: optimizer) }
    }

    /// Distributes zeros where rank 0 has failed, or what comes from it.
    mutating func distributeRest(to optimizer: borrowing Optimizer) {
        while carried < Moment.allCases.count * parameters.count {
            distribute(world.rank == 0 ? UnsafePointer(values.pointer) : nil, to: optimizer)
        }
    }

    /// Calls `body` with every owner's piece of the next parameter: owner, moment, place in the flat buffer, and place in
    /// the parameter.
    private borrowing func forEachPiece(_ body: (Int, Moment, Range<Int>, Int) -> Void) {
        let moment = Moment.allCases[carried / parameters.count]
        let parameter = parameters[carried % parameters.count]
        let whole = parameter.offset..<parameter.offset + parameter.count
        for part in owners where part.range.overlaps(whole) {
            let range = part.range.clamped(to: whole)
            body(part.rank, moment, range, range.lowerBound - whole.lowerBound)
        }
    }
}
