import Kernels

// N images, L patches, T = L + 1 tokens, M = N T rows, D channels, K classes.

/// Encoder output to classes: logits = LN(v) W^T + b, where v is the class token or the mean over the patches.
struct ClassifierHead: Head {
    let pooling: Pooling
    let norm: NormLayer
    let weight: Weight  // W (K, D)
    let bias: Int  // b (K)
    let classes: Int
    private let tokenNorm: NormLayer  // the same norm over all tokens, (M, D)
    let normed: UnsafeMutablePointer<Float>  // its output, (M, D)
    private let normedImages: Operand  // LN(v), (N, D)
    private let pooled: UnsafeMutablePointer<Float>  // v, (N, D)
    private let logits: UnsafeMutablePointer<Float>  // (N, K)
    private let upstream: Operand  // the gradient of the logits as a factor; empty if factors are fp32
    private let gradient: UnsafeMutablePointer<Float>  // of v, (N, D)

    init(_ configuration: ClassifierConfiguration, in builder: inout LayerBuilder) throws {
        let (dim, images, classes) = (configuration.encoder.dim, builder.shape.images, configuration.classes)
        pooling = configuration.pooling
        self.classes = classes
        let architecture = configuration.encoder.architecture
        // Those of timm's ViT and Meta's code, or those of the CRATE authors' supervised models.
        let isPlain = configuration.form == .autoencoder || architecture == .vit
        let names =
            isPlain
            ? (norm: pooling == .mean ? "fc_norm" : "norm", product: "head")
            : (norm: "mlp_head.0", product: "mlp_head.1")
        let initial: LinearInitial
        switch (configuration.form, architecture) {
        // Small enough that the encoder determines what is learned first.
        case (.autoencoder, _): initial = .normal(deviation: 2e-5)
        case (.supervised, .crate), (.supervised, .tost): initial = .uniform
        case (.supervised, .crateAlpha), (.supervised, .vit): initial = .normal(deviation: 0.02)
        }
        norm = try NormLayer(
            names.norm, rows: images, epsilon: isPlain ? 1e-6 : 1e-5, in: &builder)
        weight = builder.weight("\(names.product).weight", classes, dim, initial: initial.weight(classes, dim))
        bias = builder.parameter("\(names.product).bias", [classes], initial: initial.bias(inputs: dim))
        tokenNorm = try norm.overTokens(in: &builder)
        normed = try builder.floats(builder.rows * dim)
        normedImages = try builder.operands(images * dim)
        pooled = try builder.floats(images * dim)
        logits = try builder.floats(images * classes)
        upstream = try builder.factorCopy(images * classes)
        gradient = try builder.floats(images * dim)
    }

    var offset: Int { norm.weight }
    var blocks: [Block] { [] }
    var operations: Double { 6 * Double(weight.inputs) * Double(classes) }
    var outputs: HeadOutputs { .logits(logits, classes: classes) }

    func normalise(_ z: UnsafeMutablePointer<Float>, _ pass: Pass) {
        tokenNorm.forward(z, pass, into: Operand(pass.own(normed)))
    }

    func forward(_ z: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass) {
        let (dim, tokens) = (pass.dim, pass.shape.tokens)
        for image in pass.firstImage..<pass.firstImage + pass.shape.images {
            pooling.pool(z + image * tokens * dim, tokens: tokens, dim: dim, into: pooled + image * dim)
        }
        let images = pass.ofImages
        norm.forward(pooled, images, into: images.own(normedImages))
        multiply(
            images.tokens(normedImages), pass.prepared.forward(weight), into: images.tokens(logits, width: classes),
            bias: pass.parameters + bias)
        pass.lap(.loss)
    }

    func loss(
        _ batch: PatchBatch, of images: Range<Int>, gradientScale: Float?, imageLosses: UnsafeMutablePointer<Double>
    ) {
        let first = images.lowerBound
        crossEntropyLoss(
            logits: logits + first * classes, targets: batch.targets.map { $0 + first * classes }, images: images.count,
            classes: classes, gradientScale: gradientScale, imageLosses: imageLosses + first)
    }

    func backward(
        into d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass,
        isLast: Bool, ready: (Int) -> Void
    ) {
        let images = pass.ofImages
        let upstream = images.factor(logits, in: upstream, width: classes)
        pass.sync()
        images.addGradient(of: weight, upstream, normedImages)
        images.addBiasGradient(bias, logits, width: classes)
        multiply(images.tokens(upstream, width: classes), pass.prepared.backward(weight), into: images.tokens(gradient))
        norm.backward(Operand(images.own(gradient)), x: pooled, images, into: gradient, isAdding: false)
        let (dim, tokens) = (pass.dim, pass.shape.tokens)
        pass.own(d).update(repeating: 0, count: pass.rows * dim)
        for image in pass.firstImage..<pass.firstImage + pass.shape.images {
            let (target, pooled) = (d + image * tokens * dim, gradient + image * dim)
            switch pooling {
            case .classToken: target.update(from: pooled, count: dim)
            case .mean:
                for token in 1..<tokens {
                    let row = target + token * dim
                    add(row, pooled, sign: 1 / Float(tokens - 1), count: dim, into: row)
                }
            }
        }
        if isLast {
            pass.sync()
            if pass.thread == 0 { norm.collectGradients(pass) }
        }
        pass.lap(.loss)
    }

    func collectGradients(_ pass: Pass) { norm.collectGradients(pass) }

    func tensors(_ shapes: StageShapes, _ parameters: UnsafePointer<Float>) -> [PassTensor] {
        [PassTensor(name: "logits", shape: [shapes.encoder.images, classes], values: Operand(logits))]
    }
}
