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
    let shapes: StageShapes
    let scratch: Scratch
    let prepared: PreparedWeights
    let losses: OwnedBuffer<Double>
    private let clockState: OwnedBuffer<StepClock.State>
    let state: OwnedBuffer<PassState>  // one; passes need no exclusive access to the replica
    private let arena: Arena
}

extension Replica {
    /// Images in a micro-batch beyond which no threads are busier: 8, or one for each thread if there are more.
    package static func usefulImages(threads: Int) -> Int { max(8, threads) }

    /// A replica with zeroed parameters for micro-batches of up to `images` images, of which up to `visible` patches (nil: all) are not
    /// hidden. Without `isTrained` it has no gradients and cannot run a backward pass. Throws `Failure` if memory is short.
    package init(
        _ model: Model, images: Int, visible: Int? = nil, precision: Precision, products: ProductBackend = .fastest,
        team: ThreadTeam,
        isTrained: Bool
    ) throws {
        let parameters = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        let gradients = try OwnedBuffer<Float>(count: isTrained ? model.layout.bufferCount : 0)
        let bytes = try ReplicaBytes(
            model, images: images, visible: visible, precision: precision, products: products, threads: team.count)
        var builder = try LayerBuilder(
            model.configuration, images: images, visible: visible, precision.format(products), products,
            threads: team.count, arena: Arena(reserving: bytes.total))
        let network = try Network(model.configuration, model.classifier, in: &builder)
        let shapes = builder.shapes
        let (scratch, prepared, _) = try builder.finish()
        let losses = try OwnedBuffer<Double>(count: images)
        let clockState = try OwnedBuffer<StepClock.State>(count: 1)
        let state = try OwnedBuffer<PassState>(count: 1)
        state.pointer.pointee = PassState(encoderTokens: shapes.encoder.tokens)
        self.init(
            model: model, precision: precision, parameters: parameters, gradients: gradients, capacity: images,
            team: team, clock: StepClock(clockState.pointer), network: network, shapes: shapes, scratch: scratch,
            prepared: prepared, losses: losses, clockState: clockState, state: state, arena: builder.memory())
    }

    /// Bytes used by passes: activations, scratch and prepared weights.
    package var byteCount: Int { arena.byteCount }

    /// Draws all parameters from `seed`; see `ParameterLayout.initialise`.
    package borrowing func initialise(seed: UInt64) {
        model.layout.initialise(parameters.pointer, seed: seed)
        parametersChanged()
    }

    /// Makes the next pass prepare the weights again.
    package borrowing func parametersChanged() { state.pointer.pointee.isPrepared = false }

    package borrowing func clearGradients() {
        let (team, gradients, count) = (team, gradients.pointer, gradients.count)
        team.run { thread in
            let own = team.part(thread, of: count, grain: 16)
            (gradients + own.lowerBound).update(repeating: 0, count: own.count)
        }
    }
}

/// What a pass leaves for the next.
struct PassState: BitwiseCopyable {
    /// Whether the weights have been prepared since the parameters changed.
    var isPrepared = false
    /// T of the encoder in the last pass.
    var encoderTokens: Int
}
