import CKernels

/// y = scale * x * Phi(x), where Phi is the distribution function of the normal distribution (Hendrycks and Gimpel 2016,
/// arXiv 1606.08415): the exact function, not its approximation by tanh. The error of Phi is under 1.2e-7, and relatively
/// under 5e-7.
///
/// x and y have the same format; y may be x.
package func gelu(_ x: Operand, scale: Float, count: Int, into y: Operand) {
    precondition(x.format == y.format)
    kernels.gelu(x.format.elements, x.memory, scale, count, y.memory)
}

/// Backward pass of `gelu`: dx = dy * scale * (Phi(x) + x phi(x)), where phi is the density of the normal distribution.
///
/// `output` receives y again, with the same bits, for the gradient of the weight that it was multiplied with. dx and y have
/// the format of x, dy that format or `float32`. dx may be dy if the formats agree, and y may be x.
package func geluBackward(
    _ dy: Operand, x: Operand, scale: Float, count: Int, into dx: Operand, output y: Operand
) {
    precondition(dx.format == x.format && y.format == x.format && (dy.format == x.format || dy.format == .float32))
    kernels.gelu_backward(
        x.format.elements, dy.format == .bfloat16, dy.memory, x.memory, scale, count, dx.memory, y.memory)
}
