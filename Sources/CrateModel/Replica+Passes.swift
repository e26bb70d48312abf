import Kernels

/// Each pass runs on all threads; its results stay valid until the next pass.
extension Replica {
    /// Runs the encoder and the norm of its output; a classifier's norm is applied to all tokens.
    package borrowing func encode(_ batch: PatchBatch) {
        run(batch) { network, pass in network.normalise(batch, pass) }
    }

    package borrowing func forward(_ batch: PatchBatch) {
        run(batch) { network, pass in network.forward(batch, pass) }
    }

    /// The loss after the last `forward`: image n's goes to `imageLosses[n]`, an autoencoder's as the sum over its
    /// hidden patches. With `gradientScale` the outputs are overwritten by their gradients. See `reconstructionLoss`
    /// and `crossEntropyLoss`.
    package borrowing func loss(_ batch: PatchBatch, gradientScale: Float? = nil) {
        let (head, team, losses) = (network.head, team, losses.pointer)
        team.run { thread in
            head.loss(
                batch, of: team.part(thread, of: batch.images), gradientScale: gradientScale, imageLosses: losses)
        }
        clock.lap(.loss)
    }

    /// Adds to the gradients after `forward` and `loss`. For all micro-batches of a step except the last.
    package borrowing func backward(_ batch: PatchBatch) {
        run(batch) { network, pass in network.backward(batch, pass, isLast: false, ready: { _ in }) }
    }

    /// Like `backward`, but also completes the gradients. Calls `ready(p)` on the calling thread when the gradients
    /// from position p of the flat buffer to its end are complete: once per block, with p decreasing to 0.
    package borrowing func completeBackward(_ batch: PatchBatch, ready: (Int) -> Void = { _ in }) {
        run(batch) { network, pass in network.backward(batch, pass, isLast: true, ready: ready) }
    }

    /// Runs `body` on every thread, each with its part of the images of `batch`, once the weights are prepared.
    private borrowing func run(_ batch: PatchBatch, _ body: (Network, Pass) -> Void) {
        precondition(batch.images > 0 && batch.images <= capacity, "a batch larger than its replica")
        let tokens = network.embedding.tokenCount(batch)
        precondition(tokens <= shapes.encoder.tokens, "more visible patches than the replica was made for")
        state.pointer.pointee.encoderTokens = tokens
        prepareIfNeeded()
        run(batch.images, drops: batch.drops, body)
    }

    /// Runs `body` on every thread, each with its part of `images` images with as many tokens as in the last pass.
    borrowing func run(_ images: Int, drops: BranchDrops? = nil, _ body: (Network, Pass) -> Void) {
        let (network, team, clock, shapes) = (network, team, clock, currentShapes)
        let (parameters, gradients) = (parameters.pointer, gradients.pointer)
        let (prepared, scratch) = (prepared, scratch)
        team.run { thread in
            useSingleThreadedProducts()
            body(
                network,
                Pass(
                    team.part(thread, of: images), of: images, shapes, drops: drops, parameters: parameters,
                    prepared: prepared, gradients: gradients, scratch: scratch, thread: thread, team: team, clock: clock
                ))
        }
    }

    /// Those of the last pass.
    var currentShapes: StageShapes {
        var current = shapes
        current.encoder.tokens = state.pointer.pointee.encoderTokens
        return current
    }

    /// Converts the parameters to the form used by products, on all threads.
    private borrowing func prepareIfNeeded() {
        guard !state.pointer.pointee.isPrepared else { return }
        run(capacity) { network, pass in
            // Not `network.blocks`, which allocates.
            let (encoder, decoder) = (network.encoder, network.head.blocks)
            for index in stride(from: pass.thread, to: encoder.count + decoder.count, by: pass.team.count) {
                let block = index < encoder.count ? encoder[index] : decoder[index - encoder.count]
                block.prepare(pass)
            }
            if pass.thread == 0 { network.embedding.prepare(pass) }
            pass.prepared.copy(
                pass.team.part(pass.thread, of: pass.prepared.layout.copied.count), from: pass.parameters)
        }
        state.pointer.pointee.isPrepared = true
        clock.lap(.ista)
    }
}
