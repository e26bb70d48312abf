import CKernels

// The attention of transformers, whose queries, keys and values are separate; sizes as in SubspaceAttention.swift. Q, K and V are
// the columns of one matrix `qkv`, (N T, 3 D), and each has the heads side by side.

/// For each image and head: A = softmax(Q K^T / sqrt(P)), O = scale A V (Vaswani et al. 2017, arXiv 1706.03762).
///
/// `output` (O) is (N T, D). `probabilities` is A, (N, H, E, E), kept for the backward pass; its rows past T are not
/// written. What `probabilities` and the `scratchCount` elements of `scratch` contain before does not matter, so T may
/// change between calls. All operands have the same format.
package func softmaxAttention(
    _ qkv: Operand, probabilities: Operand, output: Operand, scale: Float, scratch: UnsafeMutablePointer<Float>,
    shape: AttentionShape
) {
    kernels.attend_separately(
        qkv.format.elements, qkv.memory, probabilities.memory, output.memory, scale, scratch, shape.extents)
}

/// Backward pass of `softmaxAttention`. For each image and head:
///
///     dV = scale A^T dO;  dA = scale dO V^T;  dS = A * (dA - rowsum(A * dA)) / sqrt(P);  dQ = dS K;  dK = dS^T Q
///
/// `dOutput` (dO) is the gradient of the output, (N T, D). `dqkv` (N T, 3 D), which is laid out as `qkv` and may not be it,
/// is overwritten. `scratch` has `scratchCount` elements. All operands have the same format.
package func softmaxAttentionBackward(
    _ dOutput: Operand, qkv: Operand, probabilities: Operand, into dqkv: Operand, scale: Float,
    scratch: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    kernels.attend_separately_backward(
        qkv.format.elements, dOutput.memory, qkv.memory, probabilities.memory, dqkv.memory, scale, scratch,
        shape.extents)
}
