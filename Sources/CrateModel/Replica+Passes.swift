import Kernels

/// Each pass runs on all threads; its results stay valid until the next pass.
extension Replica {
    /// Runs the encoder and the norm of its output; a classifier's norm is applied to all tokens.
    package borrowing func encode(_ batch: PatchBatch) {
        run(batch.images) { network, pass in network.normalise(batch, pass) }
    }

    package borrowing func forward(_ batch: PatchBatch) {
        run(batch.images) { network, pass in network.forward(batch, pass) }
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
        run(batch.images) { network, pass in network.backward(batch, pass, isLast: false, ready: { _ in }) }
    }

    /// Like `backward`, but also completes the gradients. Calls `ready(p)` on the calling thread when the gradients
    /// from position p of the flat buffer to its end are complete: once per block, with p decreasing to 0.
    package borrowing func completeBackward(_ batch: PatchBatch, ready: (Int) -> Void = { _ in }) {
        run(batch.images) { network, pass in network.backward(batch, pass, isLast: true, ready: ready) }
    }

    /// Runs `body` on every thread, each with its part of the `images` images, once the weights are prepared.
    borrowing func run(_ images: Int, _ body: (Network, Pass) -> Void) {
        precondition(images > 0 && images <= capacity, "a batch larger than its replica")
        prepareIfNeeded()
        runThreads(images, body)
    }

    private borrowing func runThreads(_ images: Int, _ body: (Network, Pass) -> Void) {
        let (network, team, clock, shape) = (network, team, clock, shape)
        let (parameters, gradients) = (parameters.pointer, gradients.pointer)
        let (prepared, scratch) = (prepared, scratch)
        team.run { thread in
            useSingleThreadedProducts()
            body(
                network,
                Pass(
                    team.part(thread, of: images), of: images, shape, parameters: parameters, prepared: prepared,
                    gradients: gradients, scratch: scratch, thread: thread, team: team, clock: clock))
        }
    }

    /// Converts the parameters to the form used by products, on all threads.
    private borrowing func prepareIfNeeded() {
        guard !isPrepared.pointer.pointee else { return }
        runThreads(capacity) { network, pass in
            let (encoder, decoder) = (network.encoder, network.head.blocks)
            for index in stride(from: pass.thread, to: encoder.count + decoder.count, by: pass.team.count) {
                let block = index < encoder.count ? encoder[index] : decoder[index - encoder.count]
                block.prepare(pass)
            }
            if pass.thread == 0 { network.embedding.prepare(pass) }
            pass.prepared.copy(
                pass.team.part(pass.thread, of: pass.prepared.layout.copied.count), from: pass.parameters)
        }
        isPrepared.pointer.pointee = true
        clock.lap(.ista)
    }
}
