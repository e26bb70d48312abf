import Buffers
import Checkpoints
import Collectives

/// One rank's moments: those of its parts of the flat buffer, one part behind the other.
struct MomentParts: @unchecked Sendable {
    let parts: [Range<Int>]
    /// Which moments there are.
    let kinds: [Moment]
    /// The second is without memory where there is none.
    let first, second: UnsafeMutablePointer<Float>

    init(_ parts: [Range<Int>], kinds: [Moment], in arena: inout Arena) throws {
        let count = parts.reduce(0) { $0 + $1.count }
        self.parts = parts
        self.kinds = kinds
        first = try arena.floats(count)
        second = try arena.floats(kinds.contains(.second) ? count : 0)
    }

    /// The number of values of each moment.
    var count: Int { parts.reduce(0) { $0 + $1.count } }

    /// All values of `moment`.
    func values(_ moment: Moment) -> UnsafeMutablePointer<Float> { moment == .first ? first : second }

    /// The values of `moment` at `range` of the flat buffer, which must lie in one of the parts.
    func values(_ moment: Moment, at range: Range<Int>) -> UnsafeMutablePointer<Float> {
        var position = 0
        for part in parts {
            if part.lowerBound <= range.lowerBound && range.upperBound <= part.upperBound {
                return values(moment) + (position + range.lowerBound - part.lowerBound)
            }
            position += part.count
        }
        preconditionFailure("moments that another rank owns")
    }
}

/// Carries moments between the ranks that own them and rank 0, one parameter after the other, so that rank 0 needs the
/// memory of one parameter only. All ranks go through all parameters of all moments, in the same order.
struct MomentTransfer: ~Copyable {
    private let world: World
    private let own: MomentParts
    private let owners: [Partition.Part]
    private let parameters: [Parameter]
    private let values: UnsafeMutablePointer<Float>
    private var carried = 0

    /// A transfer from and to `own`, this rank's moments of `layout`. On rank 0 `values` has room for the largest parameter:
    /// memory that could be refused now would leave the other ranks waiting.
    init(
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
    static func room(for layout: ParameterLayout, _ world: World) -> Int {
        world.rank == 0 ? layout.parameters.map(\.count).max() ?? 0 : 0
    }

    /// The next parameter's moments, on rank 0; valid until the next call.
    mutating func collect() -> UnsafePointer<Float> {
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
    mutating func distribute(_ source: UnsafePointer<Float>?) {
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
    mutating func collectRest() {
        while carried < own.kinds.count * parameters.count { _ = collect() }
    }

    /// Distributes what has not been distributed: what comes from rank 0, which sends zeros when it has failed.
    mutating func distributeRest() {
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
