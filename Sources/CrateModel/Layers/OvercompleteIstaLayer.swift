import Kernels

/// y = x + sign S(LN x): two steps of sparse coding from zero with an overcomplete dictionary W (D, K), K = 4 D, and a dictionary of
/// its own, W_d (D, K), back to tokens. (M, D) -> (M, D)
///
///     z1 = relu(eta x W - eta lambda),  r = x - z1 W^T,  z2 = relu(z1 + eta r W - eta lambda),  S(x) = z2 W_d^T
///
/// Source: Yang et al., Scaling White-Box Transformers for Vision (arXiv 2405.20299).
struct OvercompleteIstaLayer: BlockLayer {
    let norm: NormLayer
    let code: Weight  // W (D, K)
    let synthesis: Weight  // W_d (D, K)
    let step: IstaStep
    let output: UnsafeMutablePointer<Float>
    /// 2 T D^2 48.
    let operations: LayerOperations
    private let sign: Float
    private let first, second: Operand  // -z1 and sign z2, (M, K)
    private let residual: Operand  // r, (M, D)
    private let width: Int  // K
    private let branch: Int
    private let name: String

    /// K / D.
    static let expansion = 4
    /// Size of the step (eta) in all published weights.
    static let stepSize = 0.1

    init(_ name: String, sign: Float, lambda: Double, in builder: inout LayerBuilder) throws {
        let (dim, rows) = (builder.shape.dim, builder.rows)
        width = Self.expansion * dim
        norm = try NormLayer("\(name).norm", epsilon: 1e-6, in: &builder)
        code = builder.weight("\(name).fn.D", dim, width, initial: .dictionary(dim: dim))
        synthesis = builder.weight("\(name).fn.D1", dim, width, initial: .dictionary(dim: dim))
        step = IstaStep(size: Float(Self.stepSize), lambda: Float(lambda))
        first = try builder.operands(rows * width)
        second = try builder.operands(rows * width)
        residual = try builder.operands(rows * dim)
        output = try builder.floats(rows * dim)
        operations = LayerOperations(weights: 12 * Self.expansion, builder.shape)
        branch = builder.branch()
        builder.reserve(hidden: rows * width, wide: builder.shape.tokens * width, residual: rows * dim)
        self.sign = sign
        self.name = name
    }

    func forward(_ x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let (normed, wide, codes) = (image.reused(image.scratch.tokenInput), image.ownWide, image.rows * width)
        let (n, z, r) = (image.own(first, width: width), image.own(second, width: width), image.own(residual))
        norm.forward(x, image, into: normed)
        multiply(image.matrix(normed), image.prepared.backward(code), into: Matrix(wide, image.rows, width))
        firstCode(wide, step: step, count: codes, into: n)
        let product = image.first(.float32)
        multiply(Matrix(n, image.rows, width), image.prepared.forward(code), into: image.matrix(product))
        codeResidual(product.floats, x: normed, count: image.rows * image.dim, into: r)
        multiply(image.matrix(r), image.prepared.backward(code), into: Matrix(wide, image.rows, width))
        secondCode(wide, n: n, step: step, scale: sign * image.scale(ofBranch: branch), count: codes, into: z)
        multiply(
            Matrix(z, image.rows, width), image.prepared.forward(synthesis), into: image.tokens(output),
            adding: image.own(x))
    }

    /// With e2, dr and e1 as in `OvercompleteIsta`: dLN(x) = dr + e1 W^T.
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let (rows, codes) = (image.rows, image.rows * width)
        let (upstream, wide) = (image.own(image.scratch.tokenUpstream), Operand(image.ownWide))
        let (e1, e2) = (
            image.own(image.scratch.hiddenFirst, width: width), image.own(image.scratch.hiddenSecond, width: width)
        )
        let (dr, product) = (image.own(image.scratch.residual), image.first(.float32))
        convert(image.own(d), count: rows * image.dim, into: upstream)
        multiply(image.matrix(upstream), image.prepared.backward(synthesis), into: Matrix(wide, rows, width))
        secondCodeBackward(
            wide, z: image.own(second, width: width), step: step, scale: sign * image.scale(ofBranch: branch),
            count: codes, into: e2)
        multiply(Matrix(e2, rows, width), image.prepared.forward(code), into: image.matrix(product))
        convert(product.floats, count: rows * image.dim, into: dr)
        multiply(image.matrix(dr), image.prepared.backward(code), into: Matrix(wide, rows, width))
        firstCodeBackward(e2, p: wide, n: image.own(first, width: width), step: step, count: codes, into: e1)
        multiply(
            Matrix(e1, rows, width), image.prepared.forward(code), into: image.matrix(product), adding: product.floats,
            next: image.memory(x))
        norm.backward(product, x: x, image, into: d, isAdding: true, output: image.own(image.scratch.tokenInput))
    }

    /// dW_d += d^T z2;  dW += r^T e2 + dr^T n + LN(x)^T e1, n = -z1.
    func addGradients(_ pass: Pass) {
        pass.addGradient(of: synthesis, pass.scratch.tokenUpstream, second)
        pass.addGradient(of: code, residual, pass.scratch.hiddenSecond)
        pass.addGradient(of: code, pass.scratch.residual, first)
        pass.addGradient(of: code, pass.scratch.tokenInput, pass.scratch.hiddenFirst)
    }

    func collectGradients(_ pass: Pass) { norm.collectGradients(pass) }

    /// Zeros of the second code.
    func measure(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, record: (BlockMetric, _ image: Int, Double) -> Void) {
        pass.forEachImage { image in
            let count = image.rows * width
            let zeros = countOfSmall(image.own(second, width: width), bound: .leastNormalMagnitude, count: count)
            record(.sparsity, image.firstImage - pass.firstImage, Double(zeros) / Double(count))
        }
    }

    func tensors(
        _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        let tokens = [shape.images, shape.tokens]
        return [
            norm.tensor("\(name).norm", x, shape, parameters),
            PassTensor(name: "\(name).fn.code", shape: tokens + [width], values: second),
            PassTensor(name: name, shape: tokens + [shape.dim], values: Operand(output)),
        ]
    }
}
