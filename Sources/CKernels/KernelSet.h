// Included once for each instruction set, by a file that defines KERNEL_SET, KERNEL_NAME and TILE_VECTORS.
#include "Heads.h"
#include "Norms.h"

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
    void *c, ptrdiff_t c_stride, crate_use use) {
    FOR_FORMAT(elements, multiply(format, a, a_stride, panels, rows, depth, columns, c, c_stride, use))
}

static void set_add_product(
    crate_elements elements, const void *a, ptrdiff_t a_stride, bool is_transposed, const void *b, ptrdiff_t b_stride,
    int depth, int m, int n, float *c, ptrdiff_t c_stride, float *scratch) {
    FOR_FORMAT(
        elements, add_product(format, a, a_stride, is_transposed, b, b_stride, depth, m, n, c, c_stride, scratch))
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

static void set_layer_norm(
    crate_elements elements, const float *x, const float *weight, const float *bias, float epsilon, int rows, int dim,
    float *means, float *inverses, void *y) {
    FOR_FORMAT(elements, layer_norm(format, x, weight, bias, epsilon, rows, dim, means, inverses, y))
}

static void set_layer_norm_backward(
    bool is_bf16, const void *dy, const float *skip, const float *x, const float *weight, const float *means,
    const float *inverses, int rows, int dim, float *dx, bool adds, float *dweight, float *dbias) {
    if (is_bf16) layer_norm_backward(true, dy, skip, x, weight, means, inverses, rows, dim, dx, adds, dweight, dbias);
    else layer_norm_backward(false, dy, skip, x, weight, means, inverses, rows, dim, dx, adds, dweight, dbias);
}

static double set_exercise(crate_elements elements, long repetitions) {
    FOR_FORMAT(elements, return exercise(format, repetitions))
}

#ifdef HAS_BF16_PRODUCTS
enum { set_has_bfloat16 = true };
#else
enum { set_has_bfloat16 = false };
#endif

const crate_kernels KERNEL_SET = {
    KERNEL_NAME, set_has_bfloat16, set_pack, set_multiply, set_add_product, set_attend, set_attend_backward,
    set_layer_norm, set_layer_norm_backward, set_exercise};
