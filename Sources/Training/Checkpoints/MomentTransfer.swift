import Collectives
import CrateModel
import Optimizers

/// Carries moments between the ranks that own them and rank 0, one parameter after the other, so that rank 0 needs the
/// memory of one parameter only. All ranks go through all parameters of all moments, in the same order.
package struct MomentTransfer: ~Copyable {
    private let world: World
    private let own: MomentParts
    private let owners: [Partition.Part]
    private let parameters: [Parameter]
    private let values: UnsafeMutablePointer<Float>
    private var carried = 0

    /// A transfer from and to `own`, this rank's moments of `layout`. On rank 0 `values` has room for the largest parameter:
    /// memory that could be refused now would leave the other ranks waiting.
    package init(
        _ layout: ParameterLayout, _ partition: Partition, own: MomentParts, world: World,
        values: UnsafeMutablePointer<Float>
    ) {
        self.values = values
        self.world = world
        self.own = own
        owners = partition.owners
        parameters = layout.parameters
    }

    /// Values that rank 0 needs room for, and none elsewhere.
    package static func room(for layout: ParameterLayout, _ world: World) -> Int {
        world.rank == 0 ? layout.parameters.map(\.count).max() ?? 0 : 0
    }

    /// The next parameter's moments, on rank 0; valid until the next call.
    package mutating func collect() -> UnsafePointer<Float> {
        forEachPiece { owner, moment, range, offset in
            if owner != world.rank {
                if world.rank == 0 {
                    world.receive(values + offset, count: range.count, from: owner, inBackground: true)
                }
            } else if owner == 0 {
                (values + offset).update(from: own.values(moment, at: range), count: range.count)
            } else {
                world.send(own.values(moment, at: range), count: range.count, to: 0, inBackground: true)
            }
        }
        carried += 1
        return UnsafePointer(values)
    }

    /// Gives the next parameter's moments, which rank 0 has at `source`, to their owners.
    package mutating func distribute(_ source: UnsafePointer<Float>?) {
        forEachPiece { owner, moment, range, offset in
            if owner == world.rank {
                let target = own.values(moment, at: range)
                if let source {
                    target.update(from: source + offset, count: range.count)
                } else {
                    world.receive(target, count: range.count, from: 0, inBackground: false)
                }
            } else if let source {
                world.send(source + offset, count: range.count, to: owner, inBackground: false)
            }
        }
        carried += 1
    }

    /// Collects what has not been collected, so that nobody waits.
    package mutating func collectRest() {
        while carried < own.kinds.count * parameters.count { _ = collect() }
    }

    /// Distributes what has not been distributed: what comes from rank 0, which sends zeros when it has failed.
    package mutating func distributeRest() {
        while carried < own.kinds.count * parameters.count {
            distribute(world.rank == 0 ? UnsafePointer(values) : nil)
        }
    }

    /// Calls `body` with every owner's piece of the next parameter: owner, moment, place in the flat buffer, and place in
    /// the parameter.
    private borrowing func forEachPiece(_ body: (Int, Moment, Range<Int>, Int) -> Void) {
        let moment = own.kinds[carried / parameters.count]
        let parameter = parameters[carried % parameters.count]
        let whole = parameter.offset..<parameter.offset + parameter.count
        for part in owners where part.range.overlaps(whole) {
            let range = part.range.clamped(to: whole)
            body(part.rank, moment, range, range.lowerBound - whole.lowerBound)
        }
    }
}
