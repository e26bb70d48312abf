import Kernels

// N images, T_v tokens of an image that the encoder sees, T = L + 1, D channels of the encoder, D' of the decoder.

/// The tokens of a decoder that is behind an encoder of visible patches only: y[0] and y[l + 1] of a visible patch are
/// W z + b of the token, y[l + 1] of a hidden one is the mask token; plus the fixed position table. (N T_v, D) -> (N T, D')
///
/// Source: He et al., Masked Autoencoders Are Scalable Vision Learners (arXiv 2111.06377).
struct DecoderEmbedding {
    let product: (weight: Weight, bias: VectorGradient)  // W (D', D), b (D')
    let maskToken: Int  // (1, 1, D')
    let output: UnsafeMutablePointer<Float>  // (N T, D')
    /// The gradient of `output`.
    let gradient: UnsafeMutablePointer<Float>
    /// 6 T_v D D'.
    let operations: Double
    private let positions: [Float]  // (T, D')
    private let patchCount: Int
    private let normed: Operand  // z as a factor, (N T_v, D)
    private let embedded: UnsafeMutablePointer<Float>  // W z + b, and its gradient, (N T_v, D')
    private let upstream: Operand  // that gradient as a factor

    /// Built while the stage of `builder` is the decoder.
    init(_ configuration: ModelConfiguration, in builder: inout LayerBuilder) throws {
        let (encoder, width) = (builder.shapes.encoder, configuration.decoder.dim)
        let rows = encoder.images * encoder.tokens
        product = try builder.linear("decoder_embed", width, configuration.dim, .xavier)
        maskToken = builder.parameter("mask_token", [1, 1, width], initial: .normal(deviation: 0.02))
        positions = configuration.decoderPositions
        patchCount = configuration.patchCount
        normed = try builder.factorCopy(rows * configuration.dim)
        embedded = try builder.floats(rows * width)
        upstream = try builder.factorCopy(rows * width)
        output = try builder.floats(builder.rows * width)
        gradient = try builder.floats(builder.rows * width)
        operations = 6 * Double(encoder.tokens * configuration.dim * width)
    }

    private var width: Int { product.weight.outputs }

    /// `pass` is that of the encoder, z its norm's output.
    func forward(_ z: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass) {
        let factor = pass.factor(z, in: normed)
        multiply(
            pass.tokens(factor), pass.prepared.forward(product.weight), into: pass.tokens(embedded, width: width),
            bias: pass.parameters + product.bias.offset)
        let hidden = UnsafePointer(pass.parameters + maskToken)
        positions.withUnsafeBufferPointer { positions in
            forEachToken(batch, pass.firstImage..<pass.firstImage + pass.shape.images, pass) { token, row, source in
                var value = hidden
                if let source { value = UnsafePointer(embedded + source * width) }
                add(value, Operand(positions.baseAddress! + token * width), count: width, into: output + row * width)
            }
        }
    }

    /// With dy in `gradient`: dz = dy W of the visible tokens, written to d; dW += dy^T z, db += sum of these dy, and the mask token
    /// += the sum of the others.
    func backward(
        into d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass
    ) {
        let images = pass.firstImage..<pass.firstImage + pass.shape.images
        forEachToken(batch, images, pass) { _, row, source in
            guard let source else { return }
            (embedded + source * width).update(from: gradient + row * width, count: width)
        }
        pass.forEachImage { image in
            addColumnSums(
                image.own(embedded, width: width), sign: 1, rows: image.rows, columns: width, stride: width,
                to: product.bias.cleared(image))
        }
        let upstream = pass.factor(embedded, in: upstream, width: width)
        pass.sync()
        pass.addGradient(of: product.weight, upstream, pass.prepared.format == .float32 ? Operand(z) : normed)
        // A thread owns some of the D' channels, for the images of all threads.
        let part = pass.team.part(pass.thread, of: width, grain: 16)
        let sums = pass.gradients + maskToken + part.lowerBound
        forEachToken(batch, 0..<(part.isEmpty ? 0 : batch.images), pass) { _, row, source in
            guard source == nil else { return }
            add(sums, Operand(gradient + row * width + part.lowerBound), count: part.count, into: sums)
        }
        multiply(pass.tokens(upstream, width: width), pass.prepared.backward(product.weight), into: pass.tokens(d))
        pass.sync()
    }

    func collectGradients(_ pass: Pass) { product.bias.collect(pass) }

    /// Calls `body` with every token of `images`: its place in an image, its row in (N T) and, unless its patch is hidden, its row in
    /// (N T_v).
    private func forEachToken(
        _ batch: PatchBatch, _ images: Range<Int>, _ pass: Pass, _ body: (Int, Int, _ source: Int?) -> Void
    ) {
        for image in images {
            var source = image * pass.shape.tokens
            for token in 0...patchCount {
                let isHidden = token > 0 && batch.hides(image * patchCount + token - 1)
                body(token, image * (patchCount + 1) + token, isHidden ? nil : source)
                if !isHidden { source += 1 }
            }
        }
    }

    func tensor(_ shape: AttentionShape) -> PassTensor {
        PassTensor(name: "decoder_embed", shape: [shape.images, patchCount + 1, width], values: Operand(output))
    }
}
