// The products of a step, and what is computed between the products of a head, once for each instruction set. One
// program carries them all and chooses when it starts.
//
// fp32 results have the same bits in every set, for any division of the rows or columns of a product: an element has one
// accumulator, to which its products are added in ascending order by fused multiply-add, in parts of a fixed length if the
// sum is long. bf16 adds the products of a pair of elements at a time, in the same order, and needs a processor that does so.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// The elements of the factors of products.
typedef enum {
    crate_float32,
    /// Floats, rounded to bf16 when they are written.
    crate_rounded_float32,
    /// bf16, multiplied as such.
    crate_bfloat16
} crate_elements;

/// What is added to a product: the elements of `matrix`, which is laid out as the result and may be it, and `sign` times `row`
/// to every row. Either may be NULL.
typedef struct {
    const float *matrix, *row;
    float sign;
} crate_addends;

/// Memory that is read next, and fetched into the cache meanwhile. NULL: none.
typedef struct {
    const void *start;
    ptrdiff_t bytes;
} crate_memory;

/// N images of T tokens; a head has P of the D = H P channels.
typedef struct {
    int images, tokens, heads, head_dim;
} crate_attention_shape;

/// Functions for one instruction set. `elements` may be `crate_bfloat16` only where `has_bfloat16`.
typedef struct {
    const char *name;
    bool has_bfloat16;

    /// Writes B (depth, columns) as panels: `crate_packed_count` elements. Element (k, j) is weight[k * k_step + j * j_step];
    /// one of the steps is 1.
    void (*pack)(
        crate_elements elements, const float *weight, ptrdiff_t k_step, ptrdiff_t j_step, int depth, int columns,
        void *panels);

    /// C (rows, columns) = A B + addends, A (rows, depth), B in panels, C in the format `result`: floats, or without addends that
    /// of A. Rows of A and C are `a_stride` and `c_stride` elements apart.
    void (*multiply)(
        crate_elements elements, const void *a, ptrdiff_t a_stride, const void *panels, int rows, int depth, int columns,
        void *c, ptrdiff_t c_stride, crate_elements result, crate_addends addends,
        crate_memory later);

    /// C (m, n) += A B, B (depth, n), both in the format of factors, C floats; A is (m, depth), or in memory its transpose
    /// (depth, m), which it must be in bf16. The sums of `part` rows of B are added after those of the rows before. Rows in memory
    /// are `a_stride`, `b_stride` and `c_stride` elements apart. `scratch`: `crate_product_scratch_count` floats.
    void (*add_product)(
        crate_elements elements, const void *a, ptrdiff_t a_stride, bool is_transposed, const void *b, ptrdiff_t b_stride,
        int part, int depth, int m, int n, float *c, ptrdiff_t c_stride, float *scratch);

    /// For each image and head: A = softmax(U U^T / sqrt(P)), O = sign A U. U and O are (N T, D), A is (N, H, E, E) with E
    /// = T rounded up to 16 and zeros in the padding of its T rows; the rows past them are neither written nor read.
    /// `scratch`: `crate_head_scratch_count` floats, whatever they contain.
    void (*attend)(
        crate_elements elements, const void *u, void *probabilities, void *output, float sign, float *scratch,
        crate_attention_shape shape);

    /// With dO the gradient of A U, and `d_output` that of O, sign dO:
    ///     dA = dO U^T, dS = A (dA - rowsum(A dA)) / sqrt(P), dU = A^T dO + (dS + dS^T) U
    void (*attend_backward)(
        crate_elements elements, const void *d_output, const void *u, const void *probabilities, void *du, float sign,
        float *scratch, crate_attention_shape shape);

    /// For each image and head, with Q, K and V the columns of `qkv` (N T, 3 D): A = softmax(Q K^T / sqrt(P)), O = scale A V.
    /// O, A and `scratch` as in `attend`.
    void (*attend_separately)(
        crate_elements elements, const void *qkv, void *probabilities, void *output, float scale, float *scratch,
        crate_attention_shape shape);

    /// With dO the gradient of O: dA = scale dO V^T, dS = A (dA - rowsum(A dA)) / sqrt(P),
    ///     dQ = dS K, dK = dS^T Q, dV = scale A^T dO, which `dqkv` (N T, 3 D) receives
    void (*attend_separately_backward)(
        crate_elements elements, const void *d_output, const void *qkv, const void *probabilities, void *dqkv, float scale,
        float *scratch, crate_attention_shape shape);

    /// For each image, u (T, D), and each head h, with t a token and p a channel of h:
    ///     n_p^2 = max(sum_t u_tp^2, 1e-24),  pi_th = softmax over the heads of tau_h sum_p u_tp^2 / n_p^2,
    ///     s_p = N_p / (Z_h + 1e-8) with N_p = sum_t pi_th u_tp^2 and Z_h = sum_t pi_th,  O_tp = -scale pi_th u_tp / (1 + s_p)
    /// u and O, in the format `elements`, are (N T, D); tau, `temperature`, is (H), pi, `memberships`, (N, T, H). `scratch`:
    /// `crate_statistics_scratch_count` floats.
    void (*token_statistics)(
        crate_elements elements, const float *u, const float *temperature, float *memberships, void *output, float scale,
        float *scratch, crate_attention_shape shape);

    /// With q = 1 / n^2, e_th = sum_p u_tp^2 q_p, g = 1 / (1 + s), dO the gradient of O:
    ///     dN_p = scale g_p^2 sum_t pi_th u_tp dO_tp / (Z_h + 1e-8),  dZ_h = -sum_p dN_p s_p,
    ///     dpi_th = sum_p u_tp (dN_p u_tp - scale g_p dO_tp) + dZ_h,  a_th = pi_th (dpi_th - sum over the heads of pi dpi),
    ///     dtau_h += sum_t a_th e_th,  de_th = tau_h a_th,  c_p = q_p sum_t de_th u_tp^2, or 0 where n_p does not depend on u,
    ///     du_tp = -scale g_p pi_th dO_tp + 2 u_tp (dN_p pi_th + q_p (de_th - c_p))
    /// dO is bf16 or floats; du is in the format `elements`, and may be dO if that has the same.
    void (*token_statistics_backward)(
        crate_elements elements, bool is_bf16, const void *d_output, const float *u, const float *temperature,
        const float *memberships, void *du, float *temperature_gradient, float scale, float *scratch,
        crate_attention_shape shape);

    /// y = (x - mean) / sqrt(var + epsilon) * weight + bias for `rows` rows of `dim` channels, y in the format `elements`; a
    /// row's mean and 1 / sqrt(var + epsilon) go to `means` and `inverses`.
    void (*layer_norm)(
        crate_elements elements, const float *x, const float *weight, const float *bias, float epsilon, int rows, int dim,
        float *means, float *inverses, void *y);

    /// With n = (x - mean) * inverse, u = dy + skip (if not NULL) and g = u * weight:
    ///     dx = or, with `adds`, += inverse * (g - mean(g) - n * mean(g * n)), dweight += sum u * n, dbias += sum u
    /// and, if y is not NULL, y = n * weight + bias again, in the format `elements`.
    /// dy is bf16 or floats. `dx` may be dy (as floats) or skip.
    void (*layer_norm_backward)(
        crate_elements elements, bool is_bf16, const void *dy, const float *skip, const float *x, const float *weight,
        const float *bias, const float *means, const float *inverses, int rows, int dim, float *dx, bool adds, float *dweight,
        float *dbias, void *y);

    /// y = relu(y + n * weight + bias - threshold) for `rows` rows of `dim` channels, n as in `layer_norm_backward`.
    void (*add_norm_and_threshold)(
        const float *x, const float *weight, const float *bias, const float *means, const float *inverses, int rows, int dim,
        float threshold, float *y);

    /// y = scale x Phi(x), x and y in the format `elements`, with Phi the distribution function of the normal distribution.
    void (*gelu)(crate_elements elements, const void *x, float scale, ptrdiff_t count, void *y);

    /// dx = scale (Phi(x) + x phi(x)) dy, with phi the density, and y as in `gelu`, with the same bits. dy is bf16 or
    /// floats, the other operands are in the format `elements`. Operands of one format may be the same.
    void (*gelu_backward)(
        crate_elements elements, bool is_bf16, const void *dy, const void *x, float scale, ptrdiff_t count, void *dx, void *y);

    /// n = -relu(step a - threshold), in the format `elements`: the first code, negated, since products are added only. n may
    /// start where a does.
    void (*first_code)(crate_elements elements, const float *a, float step, float threshold, ptrdiff_t count, void *n);

    /// r = x + p, x and r in the format `elements`. r may start where p does.
    void (*code_residual)(crate_elements elements, const float *p, const void *x, ptrdiff_t count, void *r);

    /// z = scale relu(step b - n - threshold), n and z in the format `elements`. z may start where b or n does.
    void (*second_code)(
        crate_elements elements, const void *n, const float *b, float step, float threshold, float scale, ptrdiff_t count,
        void *z);

    /// e = scale dz where z is not zero, zero elsewhere; dz is bf16 or floats, e and z in the format `elements`. e may start where dz
    /// does.
    void (*second_code_backward)(
        crate_elements elements, bool is_bf16, const void *dz, const void *z, float scale, ptrdiff_t count, void *e);

    /// result = e - step p where n < 0, zero elsewhere; p is bf16 or floats, the others in the format `elements`. `result` may
    /// start where e or p does.
    void (*first_code_backward)(
        crate_elements elements, bool is_bf16, const void *e, const void *p, const void *n, float step, ptrdiff_t count,
        void *result);

    /// dy = dy where y > 0, zero elsewhere; `factor`, unless it is dy, receives it in the format `elements`.
    void (*mask)(crate_elements elements, float *dy, const float *y, ptrdiff_t count, void *factor);

    /// Rounds to nearest, in the same way in every set. `result` may start where x does.
    void (*convert)(crate_elements elements, const float *x, ptrdiff_t count, void *result);

    /// Multiply-adds on registers alone, for the processor's peak; returns their operations.
    double (*exercise)(crate_elements elements, long repetitions);
} crate_kernels;

/// The fastest set that this processor has, or the set `name` if it has that; NULL if it does not.
const crate_kernels *crate_kernels_for(const char *name);

/// Floats of scratch for `add_product`.
enum { crate_product_scratch_count = 256 * 64 + 128 * 768 };

/// From now on the calling thread, and threads that it starts, take and leave denormal floats as zeros: they say nothing in
/// training, and some processors take a hundred times as long for them.
void crate_flush_denormals(void);

/// Elements of packed panels, or rather of the memory for them.
static inline size_t crate_packed_count(size_t depth, size_t columns) {
    return (depth + 1) / 2 * 2 * ((columns + 15) / 16 * 16);
}

/// Floats of scratch for a head.
size_t crate_head_scratch_count(int tokens, int head_dim);

/// Floats of scratch for `token_statistics` and its backward pass.
static inline size_t crate_statistics_scratch_count(size_t tokens, size_t heads, size_t head_dim) {
    return 4 * heads * head_dim + (4 + tokens) * heads;
}
