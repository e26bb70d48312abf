import CKernels

// M rows (all tokens of all images of a micro-batch), D channels.

/// Input, parameters and statistics of a layer norm: y = (x - mean) * inverseDeviation * weight + bias.
package struct NormalisedRows {
    let x, weight, bias: UnsafePointer<Float>
    let mean, inverseDeviation: UnsafeMutablePointer<Float>
    let rows, dim: Int

    /// x is (M, D), weight and bias are (D), mean and inverseDeviation are (M) and written by `layerNorm`.
    package init(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        mean: UnsafeMutablePointer<Float>, inverseDeviation: UnsafeMutablePointer<Float>, rows: Int, dim: Int
    ) {
        (self.x, self.weight, self.bias) = (x, weight, bias)
        (self.mean, self.inverseDeviation) = (mean, inverseDeviation)
        (self.rows, self.dim) = (rows, dim)
    }
}

/// y = (x - mean) / sqrt(var + epsilon) * weight + bias for every row, with the biased variance.
///
/// y is (M, D). Each row's mean and 1 / sqrt(var + epsilon) are written to `rows`.
package func layerNorm(_ rows: NormalisedRows, epsilon: Float, into y: Operand) {
    kernels.layer_norm(
        y.format.elements, rows.x, rows.weight, rows.bias, epsilon, Int32(rows.rows), Int32(rows.dim), rows.mean,
        rows.inverseDeviation, y.memory)
}

/// Backward pass of `layerNorm`: with n = (x - mean) * inverseDeviation and g = dy * weight,
///
///     dx (+)= inverseDeviation * (g - mean(g) - n * mean(g * n));  dweight += sum dy * n;  dbias += sum dy
///
/// With `isAdding` the gradient is added to dx, otherwise dx is overwritten. `skip` is added to dy. dy (if it holds
/// floats) or `skip` may alias dx when `isAdding` is false. `output`, if given, receives y again.
package func layerNormBackward(
    _ dy: Operand, skip: UnsafePointer<Float>? = nil, _ rows: NormalisedRows, into dx: UnsafeMutablePointer<Float>,
    isAdding: Bool, dweight: UnsafeMutablePointer<Float>, dbias: UnsafeMutablePointer<Float>, output: Operand? = nil
) {
    kernels.layer_norm_backward(
        (output?.format ?? .float32).elements, dy.format == .bfloat16, dy.memory, skip, rows.x, rows.weight, rows.bias,
        rows.mean, rows.inverseDeviation, Int32(rows.rows), Int32(rows.dim), dx, isAdding, dweight, dbias,
        output?.memory)
}
