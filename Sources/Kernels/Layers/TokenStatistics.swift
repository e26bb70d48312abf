import CKernels

// The attention of ToST, whose cost is linear in the tokens; sizes as in SubspaceAttention.swift. u and its gradient are (N T, D).

/// Floats of scratch memory per thread, for the forward or the backward pass.
package func tokenStatisticsScratchCount(_ shape: AttentionShape) -> Int {
    crate_statistics_scratch_count(shape.tokens, shape.heads, shape.headDim)
}

/// Attention from token statistics (TSSA; Wu et al. 2024, arXiv 2412.17810). For each image and head h, with t a token and p
/// a channel of h:
///
///     n_p = max(norm over the tokens of u_tp, 1e-12);  pi_th = softmax over the heads of tau_h sum_p (u_tp / n_p)^2
///     s_p = N_p / (Z_h + 1e-8) with N_p = sum_t pi_th u_tp^2 and Z_h = sum_t pi_th;  O_tp = -scale pi_th u_tp / (1 + s_p)
///
/// u and `output` (O) are (N T, D), `temperature` (tau) is (H). `memberships` is pi, (N, T, H), kept for the backward pass.
/// `scratch` has `tokenStatisticsScratchCount` elements.
package func tokenStatistics(
    _ u: UnsafePointer<Float>, temperature: UnsafePointer<Float>, memberships: UnsafeMutablePointer<Float>,
    output: Operand, scale: Float, scratch: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    kernels.token_statistics(
        output.format.elements, u, temperature, memberships, output.memory, scale, scratch, shape.extents)
}

/// Backward pass of `tokenStatistics`. Its chain of sums over tokens (n, then pi, then N and Z) is followed in reverse; with
/// q = 1 / n^2, e_th = sum_p u_tp^2 q_p, g = 1 / (1 + s), and dO the gradient of the output:
///
///     dN_p = scale g_p^2 sum_t pi_th u_tp dO_tp / (Z_h + 1e-8);  dZ_h = - sum_p dN_p s_p
///     dpi_th = sum_p u_tp (dN_p u_tp - scale g_p dO_tp) + dZ_h
///     a_th = pi_th (dpi_th - sum over the heads of pi dpi);  dtau_h += sum_t a_th e_th;  de_th = tau_h a_th
///     du_tp = -scale g_p pi_th dO_tp + 2 u_tp (dN_p pi_th + q_p (de_th - c_p)),  c_p = q_p sum_t de_th u_tp^2
///
/// c_p, the mean of de weighted by u^2, is what the norm contributes; it is 0 where n_p is 1e-12.
///
/// `dOutput` is (N T, D), floats or bf16. `du` (N T, D), in the format of factors, is overwritten, and may be `dOutput` if
/// that has its format. `temperatureGradient` is (H).
package func tokenStatisticsBackward(
    _ dOutput: Operand, u: UnsafePointer<Float>, temperature: UnsafePointer<Float>, memberships: UnsafePointer<Float>,
    into du: Operand, temperatureGradient: UnsafeMutablePointer<Float>, scale: Float,
    scratch: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    kernels.token_statistics_backward(
        du.format.elements, dOutput.format == .bfloat16, dOutput.memory, u, temperature, memberships, du.memory,
        temperatureGradient, scale, scratch, shape.extents)
}
