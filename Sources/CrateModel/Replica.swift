import Base
import Kernels

// N images of a micro-batch, L patches, T = L + 1 tokens, D channels, V values a patch, K classes.

/// A model with its parameters, their gradients, and all memory of forward and backward passes over a micro-batch, allocated once;
/// and the threads that run them.
package struct Replica: ~Copyable {
    package let model: Model
    /// The precision of products.
    package let precision: Precision
    /// One flat buffer of `model.layout`. Whoever writes to it calls `parametersChanged`.
    package let parameters: OwnedBuffer<Float>
    /// As long as the parameters; empty where the replica is not trained.
    package let gradients: OwnedBuffer<Float>
    /// The most images of a micro-batch.
    package let capacity: Int
    package let team: ThreadTeam
    /// Tells apart where the time of a step goes: passes name their parts, the caller the others.
    package let clock: StepClock
    let network: Network
    let shape: AttentionShape
    let scratch: Scratch
    let prepared: PreparedWeights
    let losses: OwnedBuffer<Double>
    private let clockState: OwnedBuffer<StepClock.State>
    let isPrepared: OwnedBuffer<Bool>  // one, so that passes need no exclusive access to the replica
    private let arena: Arena

    /// Images of a micro-batch beyond which nothing is gained: 8, or one for each thread where these are more.
    package static func usefulImages(threads: Int) -> Int { max(8, threads) }

    /// A replica with zeroed parameters for micro-batches of up to `images` images. One that is not `isTrained` has no gradients
    /// and runs no backward pass. Throws `Failure` when the memory is not to be had.
    package init(_ model: Model, images: Int, precision: Precision, team: ThreadTeam, isTrained: Bool) throws {
        let parameters = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        let gradients = try OwnedBuffer<Float>(count: isTrained ? model.layout.bufferCount : 0)
        var builder = try LayerBuilder(
            model.configuration, images: images, precision.format, threads: team.count, arena: Arena())
        let network = try Network(model.configuration, model.classifier, in: &builder)
        let shape = builder.shape
        let (scratch, prepared, _) = try builder.finish(model.configuration)
        let losses = try OwnedBuffer<Double>(count: images)
        let clockState = try OwnedBuffer<StepClock.State>(count: 1)
        let isPrepared = try OwnedBuffer<Bool>(count: 1)
        self.model = model
        self.precision = precision
        self.parameters = parameters
        self.gradients = gradients
        capacity = images
        self.team = team
        clock = StepClock(clockState.pointer)
        self.network = network
        self.shape = shape
        self.scratch = scratch
        self.prepared = prepared
        self.losses = losses
        self.clockState = clockState
        self.isPrepared = isPrepared
        arena = builder.memory()
    }

    /// Bytes that passes work on: activations, scratch and prepared weights.
    package var byteCount: Int { arena.byteCount }

    /// Draws all parameters under `seed`; see `ParameterLayout.initialise`.
    package borrowing func initialise(seed: UInt64) {
        model.layout.initialise(parameters.pointer, seed: seed)
        parametersChanged()
    }

    /// The next pass prepares the weights anew.
    package borrowing func parametersChanged() { isPrepared.pointer.pointee = false }

    /// Sets all gradients to zero.
    package borrowing func clearGradients() { gradients.pointer.update(repeating: 0, count: gradients.count) }
}
