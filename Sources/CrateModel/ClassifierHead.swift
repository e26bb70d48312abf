import Base
import Kernels

// N images, L patches, T = L + 1 tokens, M = N T rows, D channels, K classes.

/// From the encoder's output to the classes: logits = LN(v) W^T + b, v the class token or the mean over the patches.
struct ClassifierHead: Sendable {
    let pooling: Pooling
    let norm: NormLayer
    let weight: Weight  // W (K, D)
    let bias: Int  // b (K)
    let classes: Int

    struct Saved {
        let pooled: UnsafeMutablePointer<Float>  // v, (N, D)
        let norm: NormLayer.Saved  // (N, D)
        let logits: UnsafeMutablePointer<Float>  // (N, K)
        let upstream: Operand  // the gradient of the logits as a factor; without memory where floats are factors
        let gradient: UnsafeMutablePointer<Float>  // of v, (N, D)

        init(
            images: Int, dim: Int, classes: Int, _ format: OperandFormat, threads: Int, in arena: inout Arena
        ) throws {
            pooled = try arena.floats(images * dim)
            norm = try .init(rows: images, dim: dim, format, threads: threads, in: &arena)
            logits = try arena.floats(images * classes)
            upstream = try arena.operands(format == .float32 ? 0 : images * classes, format)
            gradient = try arena.floats(images * dim)
        }
    }

    init(
        _ configuration: ClassifierConfiguration, in layout: inout ParameterLayout, prepared: inout PreparedLayout
    ) {
        let (dim, classes) = (configuration.encoder.dim, configuration.classes)
        pooling = configuration.pooling
        self.classes = classes
        let names: (norm: String, product: String)
        let initial: (weight: InitialValue, bias: InitialValue)
        switch configuration.form {
        case .supervised:
            names = ("mlp_head.0", "mlp_head.1")
            initial = InitialValue.linear(inputs: dim)
        case .autoencoder:
            names = (pooling == .mean ? "fc_norm" : "norm", "head")
            // So small that it is the encoder which decides what is learnt first.
            initial = (.normal(deviation: 2e-5), .constant(0))
        }
        let epsilon: Float = configuration.form == .supervised ? 1e-5 : 1e-6
        norm = NormLayer(names.norm, dim: dim, epsilon: epsilon, in: &layout)
        weight = prepared.append(
            layout.append("\(names.product).weight", [classes, dim], initial: initial.weight), classes, dim)
        bias = layout.append("\(names.product).bias", [classes], initial: initial.bias)
    }

    /// Leaves the logits of z (N, T, D) in `saved.logits`.
    func forward(_ z: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        let (dim, tokens) = (pass.dim, pass.shape.tokens)
        for image in pass.firstImage..<pass.firstImage + pass.shape.images {
            let (source, pooled) = (z + image * tokens * dim, saved.pooled + image * dim)
            switch pooling {
            case .classToken: pooled.update(from: source, count: dim)
            case .mean:
                pooled.update(repeating: 0, count: dim)
                addColumnSums(
                    source + dim, sign: 1 / Float(tokens - 1), rows: tokens - 1, columns: dim, stride: dim, to: pooled)
            }
        }
        let images = pass.ofImages
        norm.forward(saved.pooled, images, saved.norm)
        multiply(
            images.tokens(saved.norm.output), pass.matrix(weight).transposed,
            into: images.tokens(saved.logits, width: classes))
        let logits = images.own(saved.logits, width: classes)
        addRow(logits, bias: pass.parameters + bias, sign: 1, rows: images.rows, dim: classes, into: logits)
    }

    /// From the gradient of the logits, in their place, that of z to d (N, T, D).
    func backward(_ pass: Pass, _ saved: Saved, into d: UnsafeMutablePointer<Float>) {
        let images = pass.ofImages
        let upstream = images.factor(saved.logits, in: saved.upstream, width: classes)
        pass.sync()
        images.addGradient(of: weight, upstream, saved.norm.output)
        images.addBiasGradient(bias, saved.logits, width: classes)
        multiply(
            images.tokens(upstream, width: classes), pass.matrix(weight), into: images.tokens(saved.gradient))
        norm.backward(
            Operand(saved.gradient), x: saved.pooled, images, saved.norm, into: saved.gradient, isAdding: false)
        let (dim, tokens) = (pass.dim, pass.shape.tokens)
        pass.own(d).update(repeating: 0, count: pass.rows * dim)
        for image in pass.firstImage..<pass.firstImage + pass.shape.images {
            let (target, pooled) = (d + image * tokens * dim, saved.gradient + image * dim)
            switch pooling {
            case .classToken: target.update(from: pooled, count: dim)
            case .mean:
                for token in 1..<tokens {
                    let row = target + token * dim
                    add(row, pooled, sign: 1 / Float(tokens - 1), count: dim, into: row)
                }
            }
        }
    }
}
