import Kernels

/// Layer normalisation with a learned scale and shift. (M, D) -> (M, D)
///
/// Each thread except the first sums the gradients of weight and bias in its own buffer.
struct NormLayer {
    let weight: Int
    let bias: Int
    let dim: Int
    let epsilon: Float
    let output: Operand  // (M, D)
    private let mean: UnsafeMutablePointer<Float>  // (M)
    private let inverseDeviation: UnsafeMutablePointer<Float>  // (M)
    private let partialGradients: UnsafeMutablePointer<Float>  // (threads - 1, 2, D)

    /// A norm of `rows` (nil: M) rows of `dim` (nil: D) values; `output` nil allocates memory in the format of factors.
    init(
        _ name: String, rows: Int? = nil, dim: Int? = nil, epsilon: Float, output: Operand? = nil,
        in builder: inout LayerBuilder
    ) throws {
        let dim = dim ?? builder.shape.dim
        let weight = builder.parameter("\(name).weight", [dim], initial: .constant(1))
        let bias = builder.parameter("\(name).bias", [dim], initial: .constant(0))
        try self.init(
            weight: weight, bias: bias, rows: rows ?? builder.rows, dim: dim, epsilon: epsilon, output: output,
            in: &builder)
    }

    private init(
        weight: Int, bias: Int, rows: Int, dim: Int, epsilon: Float, output: Operand?, in builder: inout LayerBuilder
    ) throws {
        self.weight = weight
        self.bias = bias
        self.dim = dim
        self.epsilon = epsilon
        self.output = try output ?? builder.operands(rows * dim)
        mean = try builder.floats(rows)
        inverseDeviation = try builder.floats(rows)
        partialGradients = try builder.floats((builder.threads - 1) * 2 * dim)
    }

    /// The same parameters over M rows, with an output in fp32.
    func overTokens(in builder: inout LayerBuilder) throws -> NormLayer {
        let output = Operand(try builder.floats(builder.rows * dim))
        return try NormLayer(
            weight: weight, bias: bias, rows: builder.rows, dim: dim, epsilon: epsilon, output: output, in: &builder)
    }

    func forward(_ x: UnsafeMutablePointer<Float>, _ pass: Pass) {
        layerNorm(rows(of: x, pass), epsilon: epsilon, into: pass.own(output, width: dim))
    }

    /// dx (+)= the gradient of the input x; the gradient of the output is dy, or dy + `skip`. `collectGradients`
    /// completes the gradients of weight and bias.
    func backward(
        _ dy: Operand, skip: UnsafeMutablePointer<Float>? = nil, x: UnsafeMutablePointer<Float>, _ pass: Pass,
        into dx: UnsafeMutablePointer<Float>, isAdding: Bool
    ) {
        var (dweight, dbias) = (pass.gradients + weight, pass.gradients + bias)
        if pass.thread > 0 {
            dweight = partialGradients + (pass.thread - 1) * 2 * dim
            dbias = dweight + dim
            dweight.update(repeating: 0, count: 2 * dim)
        }
        layerNormBackward(
            pass.own(dy, width: dim), skip: skip.map { pass.own($0, width: dim) }, rows(of: x, pass),
            into: pass.own(dx, width: dim), isAdding: isAdding, dweight: dweight, dbias: dbias)
    }

    /// This thread's rows of the input x, with the parameters of `other`, if given, which must have the same epsilon so
    /// that the statistics are the same.
    func rows(of x: UnsafeMutablePointer<Float>, under other: NormLayer? = nil, _ pass: Pass) -> NormalisedRows {
        NormalisedRows(
            pass.own(x, width: dim), weight: pass.parameters + (other?.weight ?? weight),
            bias: pass.parameters + (other?.bias ?? bias), mean: pass.own(mean, width: 1),
            inverseDeviation: pass.own(inverseDeviation, width: 1), rows: pass.rows, dim: dim)
    }

    /// Adds the gradients of the other threads. Called on one thread once all are done with the backward pass.
    func collectGradients(_ pass: Pass) {
        for part in 0..<pass.team.count - 1 {
            let sums = partialGradients + part * 2 * dim
            let (dweight, dbias) = (pass.gradients + weight, pass.gradients + bias)
            add(dweight, Operand(sums), count: dim, into: dweight)
            add(dbias, Operand(sums + dim), count: dim, into: dbias)
        }
    }
}
