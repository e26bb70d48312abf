import CKernels

// Two steps of ISTA with an overcomplete dictionary (CRATE-alpha; Yang et al. 2024, arXiv 2405.20299). M rows, D channels, K
// atoms, W (D, K) the dictionary, W' (D, K) that which decodes:
//
//     z1 = relu(eta x W - eta lambda);  r = x - z1 W^T;  z2 = relu(z1 + eta r W - eta lambda);  y = scale z2 W'^T
//
// Products do not fit together here as in Ista.swift, since W^T W would be (K, K), so these are only the parts between products.
// Products are added and never subtracted, so the first code is kept negated, n = -z1; and the gradients of codes carry eta:
//
//     n = -relu(eta (x W) - eta lambda);  r = x + n W^T;  z = scale relu(eta (r W) - n - eta lambda);  y = z W'^T
//     e2 = eta scale (dy W') [z != 0];  dr = e2 W^T;  e1 = (e2 - eta (dr W)) [n < 0];  dx = dr + e1 W^T
//     dW' += dy^T z;  dW += r^T e2 + dr^T n + x^T e1

/// n = -relu(eta a - eta lambda) with a = x W.
///
/// a (M, K) are floats, n (M, K) has the format of factors and may start where a does. `count` is M K, here and below.
package func firstCode(_ a: UnsafePointer<Float>, step: IstaStep, count: Int, into n: Operand) {
    kernels.first_code(n.format.elements, a, step.size, step.size * step.lambda, count, n.memory)
}

/// r = x + p with p = n W^T.
///
/// p (M, D) are floats, x and r (M, D) have the format of factors. r may start where p does. `count` is M D.
package func codeResidual(_ p: UnsafePointer<Float>, x: Operand, count: Int, into r: Operand) {
    precondition(x.format == r.format)
    kernels.code_residual(r.format.elements, p, x.memory, count, r.memory)
}

/// z = scale relu(eta b - n - eta lambda) with b = r W.
///
/// b (M, K) are floats, n and z (M, K) have the format of factors. z may start where b or n does. `scale` may be negative, for a decoder.
package func secondCode(
    _ b: UnsafePointer<Float>, n: Operand, step: IstaStep, scale: Float, count: Int, into z: Operand
) {
    precondition(n.format == z.format)
    kernels.second_code(
        z.format.elements, n.memory, b, step.size, step.size * step.lambda, scale, count, z.memory)
}

/// Backward pass of `secondCode`: e2 = eta scale dz [z != 0] with dz = dy W'.
///
/// dz (M, K) are floats or bf16, z and e2 (M, K) have the format of factors. e2 may start where dz does.
package func secondCodeBackward(
    _ dz: Operand, z: Operand, step: IstaStep, scale: Float, count: Int, into e2: Operand
) {
    precondition(e2.format == z.format)
    kernels.second_code_backward(
        e2.format.elements, dz.format == .bfloat16, dz.memory, z.memory, step.size * scale, count, e2.memory)
}

/// Backward pass of `firstCode`: e1 = (e2 - eta p) [n < 0] with p = dr W.
///
/// p (M, K) are floats or bf16; e2, n and e1 (M, K) have the format of factors. e1 may start where e2 or p does.
package func firstCodeBackward(
    _ e2: Operand, p: Operand, n: Operand, step: IstaStep, count: Int, into e1: Operand
) {
    precondition(e1.format == e2.format && e1.format == n.format)
    kernels.first_code_backward(
        e1.format.elements, p.format == .bfloat16, e2.memory, p.memory, n.memory, step.size, count, e1.memory)
}
