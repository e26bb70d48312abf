import Kernels

// N images, L patches, T = L + 1 tokens, M = N T rows, D channels of the decoder, V values per patch.

/// The head of a masked autoencoder: norm, decoder blocks, and the predicted values of every patch, LN(z) W^T + b. Behind an encoder
/// that omits hidden patches, `DecoderEmbedding` comes before the blocks.
struct DecoderHead: Head {
    let norm: NormLayer
    let embedding: DecoderEmbedding?
    let blocks: [Block]
    let decoderNorm: NormLayer
    let weight: Weight  // W (V, D)
    let bias: Int  // b (V)
    let normed: UnsafeMutablePointer<Float>
    private let decoded: Operand  // the output of `decoderNorm`, (M, D)
    let predictions: UnsafeMutablePointer<Float>  // (M, V)
    private let configuration: ModelConfiguration

    private var valueCount: Int { weight.outputs }

    init(_ configuration: ModelConfiguration, in builder: inout LayerBuilder) throws {
        let architecture = configuration.architecture
        // fp32, since it is the input of a norm and not of a product.
        normed = try builder.floats(builder.rows * configuration.dim)
        norm = try NormLayer("norm", epsilon: 1e-6, in: &builder)
        builder.enterDecoder()
        let (dim, valueCount) = (configuration.decoder.dim, configuration.patchValueCount)
        embedding = architecture.omitsHiddenPatches ? try DecoderEmbedding(configuration, in: &builder) : nil
        blocks = try (0..<configuration.decoderDepth).map { index in
            try architecture.decoderBlock(architecture.decoderBlockName(index), configuration, in: &builder)
        }
        decoderNorm = try NormLayer("decoder_norm", epsilon: 1e-6, in: &builder)
        decoded = try builder.operands(builder.rows * dim)
        weight = builder.weight(
            "decoder_pred.weight", valueCount, dim, initial: LinearInitial.xavier.weight(valueCount, dim))
        bias = builder.parameter("decoder_pred.bias", [valueCount], initial: .constant(0))
        predictions = builder.patchValues
        self.configuration = configuration
    }

    /// The input of block `index`; the output of all if it is their number.
    private func input(ofBlock index: Int) -> UnsafeMutablePointer<Float> {
        index == 0 ? embedding?.output ?? normed : blocks[index - 1].output
    }

    var offset: Int { norm.weight }
    var outputs: HeadOutputs { .predictions(predictions) }

    /// 6 L D V, and the embedding's.
    var operations: Double {
        6 * Double(configuration.patchCount) * Double(weight.inputs) * Double(valueCount) + (embedding?.operations ?? 0)
    }

    func normalise(_ z: UnsafeMutablePointer<Float>, _ pass: Pass) {
        norm.forward(z, pass, into: Operand(pass.own(normed)))
    }

    func forward(_ z: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass) {
        normalise(z, pass)
        embedding?.forward(normed, batch, pass)
        let pass = pass.decoder
        for index in blocks.indices {
            pass.forEachImage { blocks[index].forward(input(ofBlock: index), $0) }
        }
        pass.lap(.decoder)
        decoderNorm.forward(input(ofBlock: blocks.count), pass, into: pass.own(decoded))
        // The predictions reuse the memory of the embedding's patches.
        pass.sync()
        multiply(
            pass.tokens(decoded), pass.prepared.forward(weight), into: pass.tokens(predictions, width: valueCount),
            bias: pass.parameters + bias)
        pass.lap(.loss)
    }

    /// The sum over the hidden patches of each image; see `reconstructionLoss`.
    func loss(
        _ batch: PatchBatch, of images: Range<Int>, gradientScale: Float?, imageLosses: UnsafeMutablePointer<Double>
    ) {
        let (patchCount, first) = (configuration.patchCount, images.lowerBound)
        reconstructionLoss(
            prediction: predictions + first * configuration.tokenCount * valueCount,
            patches: batch.patches + first * patchCount * valueCount, mask: batch.mask.map { $0 + first * patchCount },
            images: images.count, patchCount: patchCount, valueCount: valueCount,
            normalisesTargets: configuration.normalisesTargets, gradientScale: gradientScale,
            imageLosses: imageLosses + first)
    }

    /// With dP the gradient of the predictions: dW += dP^T LN(z), db += sum dP; dP W goes back through norm and blocks.
    func backward(
        into d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass,
        isLast: Bool, ready: (Int) -> Void
    ) {
        let dDecoder = embedding?.gradient ?? d
        backwardOfPredictions(into: dDecoder, pass.decoder)
        for index in blocks.indices.reversed() {
            blocks[index].backward(dDecoder, z: input(ofBlock: index), pass.decoder)
            guard isLast else { continue }
            blocks[index].completeGradients(pass.decoder)
            guard pass.thread == 0 else { continue }
            if index == blocks.count - 1 { decoderNorm.collectGradients(pass) }
            ready(blocks[index].offset)
        }
        embedding?.backward(into: d, z: normed, batch, pass)
        norm.backward(Operand(pass.own(d)), x: z, pass, into: d, isAdding: false)
        if isLast {
            pass.sync()
            if pass.thread == 0 {
                norm.collectGradients(pass)
                embedding?.collectGradients(pass)
            }
        }
        pass.lap(.decoder)
    }

    private func backwardOfPredictions(into d: UnsafeMutablePointer<Float>, _ pass: Pass) {
        let upstream = pass.factor(predictions, in: pass.scratch.predictionGradient, width: valueCount)
        pass.sync()
        pass.addGradient(of: weight, upstream, decoded)
        pass.addBiasGradient(bias, predictions, width: valueCount)
        multiply(
            pass.tokens(upstream, width: valueCount), pass.prepared.backward(weight),
            into: pass.tokens(pass.scratch.product))
        decoderNorm.backward(
            pass.own(pass.scratch.product), x: input(ofBlock: blocks.count), pass, into: d, isAdding: false)
        // The blocks use the memory of the factors again.
        pass.sync()
        pass.lap(.loss)
    }

    func collectGradients(_ pass: Pass) {
        norm.collectGradients(pass)
        embedding?.collectGradients(pass)
        for block in blocks { block.collectGradients(pass) }
        decoderNorm.collectGradients(pass)
    }

    func tensors(_ shapes: StageShapes, _ parameters: UnsafePointer<Float>) -> [PassTensor] {
        let (encoder, shape) = (shapes.encoder, shapes.decoder)
        let tokens = [shape.images, shape.tokens]
        let start = PassTensor(
            name: "norm", shape: [encoder.images, encoder.tokens, encoder.dim], values: Operand(normed))
        let ends = [
            PassTensor(name: "decoder_norm", shape: tokens + [shape.dim], values: decoded),
            PassTensor(name: "decoder_pred", shape: tokens + [valueCount], values: Operand(predictions)),
        ]
        return [start] + (embedding.map { [$0.tensor(shape)] } ?? [])
            + blocks.indices.flatMap { blocks[$0].tensors(input(ofBlock: $0), shape, parameters) } + ends
    }
}
