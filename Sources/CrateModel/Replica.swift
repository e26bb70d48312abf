import Base
import Kernels

// N images of a micro-batch, L patches, T = L + 1 tokens, D channels, V values per patch, K classes.

/// A model with its parameters, gradients, all memory of forward and backward passes over a micro-batch, allocated
/// once, and the threads that run them.
package struct Replica: ~Copyable {
    package let model: Model
    package let precision: Precision
    /// One flat buffer of `model.layout`. Call `parametersChanged` after writing to it.
    package let parameters: OwnedBuffer<Float>
    /// Same layout as the parameters; empty unless the replica is trained.
    package let gradients: OwnedBuffer<Float>
    /// The maximum number of images in a micro-batch.
    package let capacity: Int
    package let team: ThreadTeam
    /// Time of a step by part. Passes record their own parts, the caller records the others.
    package let clock: StepClock
    let network: Network
    let shape: AttentionShape
    let scratch: Scratch
    let prepared: PreparedWeights
    let losses: OwnedBuffer<Double>
    private let clockState: OwnedBuffer<StepClock.State>
    let isPrepared: OwnedBuffer<Bool>  // one flag; passes need no exclusive access to the replica
    private let arena: Arena
}

extension Replica {
    /// Images in a micro-batch beyond which no threads are busier: 8, or one for each thread if there are more.
    package static func usefulImages(threads: Int) -> Int { max(8, threads) }

    /// A replica with zeroed parameters for micro-batches of up to `images` images. Without `isTrained` it has no
    /// gradients and cannot run a backward pass. Throws `Failure` if memory is short.
    package init(
        _ model: Model, images: Int, precision: Precision, products: ProductBackend = .fastest, team: ThreadTeam,
        isTrained: Bool
    ) throws {
        let parameters = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        let gradients = try OwnedBuffer<Float>(count: isTrained ? model.layout.bufferCount : 0)
        let bytes = try ReplicaBytes(
            model, images: images, precision: precision, products: products, threads: team.count)
        var builder = try LayerBuilder(
            model.configuration, images: images, precision.format(products), products, threads: team.count,
            arena: Arena(reserving: bytes.total))
        let network = try Network(model.configuration, model.classifier, in: &builder)
        let shape = builder.shape
        let (scratch, prepared, _) = try builder.finish(model.configuration)
        let losses = try OwnedBuffer<Double>(count: images)
        let clockState = try OwnedBuffer<StepClock.State>(count: 1)
        let isPrepared = try OwnedBuffer<Bool>(count: 1)
        self.init(
            model: model, precision: precision, parameters: parameters, gradients: gradients, capacity: images,
            team: team, clock: StepClock(clockState.pointer), network: network, shape: shape, scratch: scratch,
            prepared: prepared, losses: losses, clockState: clockState, isPrepared: isPrepared, arena: builder.memory())
    }

    /// Bytes used by passes: activations, scratch and prepared weights.
    package var byteCount: Int { arena.byteCount }

    /// Draws all parameters from `seed`; see `ParameterLayout.initialise`.
    package borrowing func initialise(seed: UInt64) {
        model.layout.initialise(parameters.pointer, seed: seed)
        parametersChanged()
    }

    /// Makes the next pass prepare the weights again.
    package borrowing func parametersChanged() { isPrepared.pointer.pointee = false }

    package borrowing func clearGradients() {
        let (team, gradients, count) = (team, gradients.pointer, gradients.count)
        team.run { thread in
            let own = team.part(thread, of: count, grain: 16)
            (gradients + own.lowerBound).update(repeating: 0, count: own.count)
        }
    }
}
