import Collectives
import CrateModel
import Optimizers

/// Sends moments between their owners and rank 0, one parameter at a time, so that rank 0 needs memory for one parameter only. All ranks
/// go through all parameters of all moments in the same order.
package struct MomentTransfer: ~Copyable {
    private let world: World
    private let own: MomentParts
    private let owners: [(range: Range<Int>, rank: Int)]
    private let parameters: [Parameter]
    private let values: UnsafeMutablePointer<Float>
    private var carried = 0

    /// A transfer between rank 0 and `own`, this rank's moments. On rank 0 `values` has room for the largest parameter; it is allocated
    /// beforehand because a failure now would leave other ranks waiting.
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

    /// Values that `values` needs room for: on rank 0 those of the largest parameter.
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

    /// Sends the next parameter's moments from `source` on rank 0 to their owners.
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

    /// Collects the remaining parameters, so that no rank waits.
    package mutating func collectRest() {
        while carried < own.kinds.count * parameters.count { _ = collect() }
    }

    /// Distributes the remaining parameters; rank 0 sends zeros if it has failed.
    package mutating func distributeRest() {
        while carried < own.kinds.count * parameters.count {
            distribute(world.rank == 0 ? UnsafePointer(values) : nil)
        }
    }

    /// Calls `body` with every owner's piece of the next parameter: owner, moment, range in the flat buffer, offset in the parameter.
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
