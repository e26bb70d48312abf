import Kernels

/// Layer normalisation with a learned scale and shift. (M, D) -> (M, D)
///
/// It keeps the statistics of the rows, from which the backward pass computes the output again, if that is needed.
struct NormLayer {
    let weight: Int
    let bias: Int
    let dim: Int
    let epsilon: Float
    private let mean: UnsafeMutablePointer<Float>  // (M)
    private let inverseDeviation: UnsafeMutablePointer<Float>  // (M)
    private let gradients: (weight: VectorGradient, bias: VectorGradient)

    /// A norm of `rows` (nil: M) rows of `dim` (nil: D) values.
    init(
        _ name: String, rows: Int? = nil, dim: Int? = nil, epsilon: Float, in builder: inout LayerBuilder
    ) throws {
        let dim = dim ?? builder.shape.dim
        let weight = builder.parameter("\(name).weight", [dim], initial: .constant(1))
        let bias = builder.parameter("\(name).bias", [dim], initial: .constant(0))
        try self.init(
            weight: weight, bias: bias, rows: rows ?? builder.rows, dim: dim, epsilon: epsilon, in: &builder)
    }

    private init(
        weight: Int, bias: Int, rows: Int, dim: Int, epsilon: Float, in builder: inout LayerBuilder
    ) throws {
        self.weight = weight
        self.bias = bias
        self.dim = dim
        self.epsilon = epsilon
        mean = try builder.floats(rows)
        inverseDeviation = try builder.floats(rows)
        gradients = (
            try VectorGradient(weight, count: dim, in: &builder), try VectorGradient(bias, count: dim, in: &builder)
        )
    }

    /// The same parameters over M rows.
    func overTokens(in builder: inout LayerBuilder) throws -> NormLayer {
        try NormLayer(weight: weight, bias: bias, rows: builder.rows, dim: dim, epsilon: epsilon, in: &builder)
    }

    /// Writes this pass's rows of the output to `output`.
    func forward(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, into output: Operand) {
        layerNorm(rows(of: x, pass), epsilon: epsilon, into: output)
    }

    /// dx (+)= the gradient of the input x; the gradient of the output is dy, or dy + `skip`, both of this pass's rows alone,
    /// as is `output`, which receives the output again, if it is given.
    /// `collectGradients` completes the gradients of weight and bias.
    func backward(
        _ dy: Operand, skip: UnsafeMutablePointer<Float>? = nil, x: UnsafeMutablePointer<Float>, _ pass: Pass,
        into dx: UnsafeMutablePointer<Float>, isAdding: Bool, output: Operand? = nil
    ) {
        pass.forEachImage { image in
            let start = (image.firstImage - pass.firstImage) * image.rows * dim
            layerNormBackward(
                dy + start, skip: skip.map { $0 + start }, rows(of: x, image), into: image.own(dx, width: dim),
                isAdding: isAdding, dweight: gradients.weight.cleared(image), dbias: gradients.bias.cleared(image),
                output: output.map { $0 + start })
        }
    }

    /// This thread's rows of the input x, with the parameters of `other`, if given, which must have the same epsilon so
    /// that the statistics are the same.
    func rows(of x: UnsafeMutablePointer<Float>, under other: NormLayer? = nil, _ pass: Pass) -> NormalisedRows {
        NormalisedRows(
            pass.own(x, width: dim), weight: pass.parameters + (other?.weight ?? weight),
            bias: pass.parameters + (other?.bias ?? bias), mean: pass.own(mean, width: 1),
            inverseDeviation: pass.own(inverseDeviation, width: 1), rows: pass.rows, dim: dim)
    }

    /// The output in fp32 for all rows of x, (N, T, D).
    func tensor(
        _ name: String, _ x: UnsafePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> PassTensor {
        let rowCount = shape.images * shape.tokens
        let rows = NormalisedRows(
            x, weight: parameters + weight, bias: parameters + bias, mean: mean, inverseDeviation: inverseDeviation,
            rows: rowCount, dim: dim)
        return PassTensor(name: name, shape: [shape.images, shape.tokens, dim]) {
            [Float](unsafeUninitializedCapacity: rowCount * dim) { values, count in
                layerNorm(rows, epsilon: epsilon, into: Operand(values.baseAddress!))
                count = rowCount * dim
            }
        }
    }

    /// See `VectorGradient.collect`.
    func collectGradients(_ pass: Pass) {
        gradients.weight.collect(pass)
        gradients.bias.collect(pass)
    }
}
