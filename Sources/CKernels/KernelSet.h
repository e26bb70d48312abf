// Included once for each instruction set, by a file that defines KERNEL_SET, KERNEL_NAME and TILE_VECTORS.
#include "Codes.h"
#include "Gelu.h"
#include "SeparateHeads.h"
#include "TokenStatisticsBackward.h"

// One copy of a function for each format, so that the format is a constant inside.
#ifdef HAS_BF16_PRODUCTS
#define IN_BFLOAT16(call) case crate_bfloat16: { const crate_elements format = crate_bfloat16; call; } break;
#else
#define IN_BFLOAT16(call)
#endif
#define FOR_FORMAT(elements, call)                                                                            \
    switch (elements) {                                                                                       \
    case crate_rounded_float32: { const crate_elements format = crate_rounded_float32; call; } break;         \
    IN_BFLOAT16(call)                                                                                         \
    default: { const crate_elements format = crate_float32; call; }                                           \
    }

static void set_pack(
    crate_elements elements, const float *weight, ptrdiff_t k_step, ptrdiff_t j_step, int depth, int columns, void *panels) {
    FOR_FORMAT(elements, pack(format, weight, k_step, j_step, depth, columns, panels))
}

static void set_multiply(
    crate_elements elements, const void *a, ptrdiff_t a_stride, const void *panels, int rows, int depth, int columns,
    void *c, ptrdiff_t c_stride, crate_elements result, crate_addends addends,
    crate_memory later) {
    FOR_FORMAT(elements, multiply(format, a, a_stride, panels, rows, depth, columns, c, c_stride, result, addends, later))
}

static void set_add_product(
    crate_elements elements, const void *a, ptrdiff_t a_stride, bool is_transposed, const void *b, ptrdiff_t b_stride,
    int part, int depth, int m, int n, float *c, ptrdiff_t c_stride, float *scratch) {
    FOR_FORMAT(
        elements, add_product(format, a, a_stride, is_transposed, b, b_stride, part, depth, m, n, c, c_stride, scratch))
}

static void set_attend(
    crate_elements elements, const void *u, void *probabilities, void *output, float sign, float *scratch,
    crate_attention_shape shape) {
    FOR_FORMAT(elements, attend(format, u, probabilities, output, sign, scratch, shape))
}

static void set_attend_backward(
    crate_elements elements, const void *d_output, const void *u, const void *probabilities, void *du, float sign,
    float *scratch, crate_attention_shape shape) {
    FOR_FORMAT(elements, attend_backward(format, d_output, u, probabilities, du, sign, scratch, shape))
}

static void set_attend_separately(
    crate_elements elements, const void *qkv, void *probabilities, void *output, float scale, float *scratch,
    crate_attention_shape shape) {
    FOR_FORMAT(elements, attend_separately(format, qkv, probabilities, output, scale, scratch, shape))
}

static void set_attend_separately_backward(
    crate_elements elements, const void *d_output, const void *qkv, const void *probabilities, void *dqkv, float scale,
    float *scratch, crate_attention_shape shape) {
    FOR_FORMAT(
        elements, attend_separately_backward(format, d_output, qkv, probabilities, dqkv, scale, scratch, shape))
}

static void set_token_statistics(
    crate_elements elements, const float *u, const float *temperature, float *memberships, void *output, float scale,
    float *scratch, crate_attention_shape shape) {
    FOR_FORMAT(elements, token_statistics(format, u, temperature, memberships, output, scale, scratch, shape))
}

static void set_token_statistics_backward(
    crate_elements elements, bool is_bf16, const void *d_output, const float *u, const float *temperature,
    const float *memberships, void *du, float *temperature_gradient, float scale, float *scratch, crate_attention_shape shape) {
#define BACKWARD(is_bf16)                                                                                              \
    token_statistics_backward(                                                                                         \
        format, is_bf16, d_output, u, temperature, memberships, du, temperature_gradient, scale, scratch, shape)
    if (is_bf16) FOR_FORMAT(elements, BACKWARD(true))
    else FOR_FORMAT(elements, BACKWARD(false))
#undef BACKWARD
}

static void set_layer_norm(
    crate_elements elements, const float *x, const float *weight, const float *bias, float epsilon, int rows, int dim,
    float *means, float *inverses, void *y) {
    FOR_FORMAT(elements, layer_norm(format, x, weight, bias, epsilon, rows, dim, means, inverses, y))
}

static void set_layer_norm_backward(
    crate_elements elements, bool is_bf16, const void *dy, const float *skip, const float *x, const float *weight,
    const float *bias, const float *means, const float *inverses, int rows, int dim, float *dx, bool adds, float *dweight,
    float *dbias, void *y) {
#define BACKWARD(is_bf16)                                                                                              \
    layer_norm_backward(                                                                                               \
        format, is_bf16, dy, skip, x, weight, bias, means, inverses, rows, dim, dx, adds, dweight, dbias, y)
    if (is_bf16) FOR_FORMAT(elements, BACKWARD(true))
    else FOR_FORMAT(elements, BACKWARD(false))
#undef BACKWARD
}

static void set_add_norm_and_threshold(
    const float *x, const float *weight, const float *bias, const float *means, const float *inverses, int rows, int dim,
    float threshold, float *y) {
    add_norm_and_threshold(x, weight, bias, means, inverses, rows, dim, threshold, y);
}

static void set_gelu(crate_elements elements, const void *x, float scale, ptrdiff_t count, void *y) {
    FOR_FORMAT(elements, gelu(format, x, scale, count, y))
}

static void set_gelu_backward(
    crate_elements elements, bool is_bf16, const void *dy, const void *x, float scale, ptrdiff_t count, void *dx, void *y) {
    if (is_bf16) FOR_FORMAT(elements, gelu_backward(format, true, dy, x, scale, count, dx, y))
    else FOR_FORMAT(elements, gelu_backward(format, false, dy, x, scale, count, dx, y))
}

static void set_first_code(
    crate_elements elements, const float *a, float step, float threshold, ptrdiff_t count, void *n) {
    FOR_FORMAT(elements, first_code(format, a, step, threshold, count, n))
}

static void set_code_residual(crate_elements elements, const float *p, const void *x, ptrdiff_t count, void *r) {
    FOR_FORMAT(elements, code_residual(format, p, x, count, r))
}

static void set_second_code(
    crate_elements elements, const void *n, const float *b, float step, float threshold, float scale, ptrdiff_t count,
    void *z) {
    FOR_FORMAT(elements, second_code(format, n, b, step, threshold, scale, count, z))
}

static void set_second_code_backward(
    crate_elements elements, bool is_bf16, const void *dz, const void *z, float scale, ptrdiff_t count, void *e) {
    if (is_bf16) FOR_FORMAT(elements, second_code_backward(format, true, dz, z, scale, count, e))
    else FOR_FORMAT(elements, second_code_backward(format, false, dz, z, scale, count, e))
}

static void set_first_code_backward(
    crate_elements elements, bool is_bf16, const void *e, const void *p, const void *n, float step, ptrdiff_t count,
    void *result) {
    if (is_bf16) FOR_FORMAT(elements, first_code_backward(format, true, e, p, n, step, count, result))
    else FOR_FORMAT(elements, first_code_backward(format, false, e, p, n, step, count, result))
}

static void set_mask(crate_elements elements, float *dy, const float *y, ptrdiff_t count, void *factor) {
    FOR_FORMAT(elements, mask(format, dy, y, count, factor))
}

static void set_convert(crate_elements elements, const float *x, ptrdiff_t count, void *result) {
    // bf16, whether or not the processor multiplies it.
    if (elements == crate_bfloat16) convert(crate_bfloat16, x, count, result);
    else FOR_FORMAT(elements, convert(format, x, count, result))
}

static double set_exercise(crate_elements elements, long repetitions) {
#ifdef HAS_AMX
    if (elements == crate_bfloat16) return exercise_amx(repetitions);
#endif
    FOR_FORMAT(elements, return exercise(format, repetitions))
}

#ifdef HAS_BF16_PRODUCTS
enum { set_has_bfloat16 = true };
#else
enum { set_has_bfloat16 = false };
#endif

const crate_kernels KERNEL_SET = {
    KERNEL_NAME, set_has_bfloat16, set_pack, set_multiply, set_add_product, set_attend, set_attend_backward,
    set_attend_separately, set_attend_separately_backward, set_token_statistics, set_token_statistics_backward,
    set_layer_norm, set_layer_norm_backward, set_add_norm_and_threshold, set_gelu, set_gelu_backward, set_first_code,
    set_code_residual, set_second_code, set_second_code_backward, set_first_code_backward, set_mask, set_convert,
    set_exercise};
