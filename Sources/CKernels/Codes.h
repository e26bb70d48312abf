// Two steps towards a sparse code in an overcomplete dictionary, element by element. See `first_code` in CKernels.h.
#pragma once
#include "Norms.h"

/// `body` for every vector of the elements, `i` the index of its first and `left` the number of them, at most 16.
#define FOR_ELEMENTS(count, body)                                          \
    for (ptrdiff_t i = 0; i < (count); i += 16) {                          \
        const int left = (count) - i < 16 ? (int)((count) - i) : 16;       \
        body;                                                              \
    }

INLINE void first_code(
    crate_elements elements, const float *a, float step, float threshold, ptrdiff_t count, void *n) {
    FOR_ELEMENTS(count, {
        const lanes value = load_floats(a + i, left) * step - threshold;
        store_factor(elements, n, i, choose(value <= 0, splat(0), -value), left);
    })
}

INLINE void code_residual(crate_elements elements, const float *p, const void *x, ptrdiff_t count, void *r) {
    FOR_ELEMENTS(count, store_factor(elements, r, i, load_factor(elements, x, i, left) + load_floats(p + i, left), left))
}

INLINE void second_code(
    crate_elements elements, const void *n, const float *b, float step, float threshold, float scale, ptrdiff_t count,
    void *z) {
    FOR_ELEMENTS(count, {
        const lanes value = load_floats(b + i, left) * step - load_factor(elements, n, i, left) - threshold;
        store_factor(elements, z, i, choose(value <= 0, splat(0), value * scale), left);
    })
}

INLINE void second_code_backward(
    crate_elements elements, const bool is_bf16, const void *dz, const void *z, float scale, ptrdiff_t count, void *e) {
    const crate_elements upstream = is_bf16 ? crate_bfloat16 : crate_float32;
    FOR_ELEMENTS(count, {
        const lanes value = load_factor(upstream, dz, i, left) * scale;
        store_factor(elements, e, i, choose(load_factor(elements, z, i, left) == 0, splat(0), value), left);
    })
}

INLINE void first_code_backward(
    crate_elements elements, const bool is_bf16, const void *e, const void *p, const void *n, float step, ptrdiff_t count,
    void *result) {
    const crate_elements product = is_bf16 ? crate_bfloat16 : crate_float32;
    FOR_ELEMENTS(count, {
        const lanes value = fused(load_factor(product, p, i, left), splat(-step), load_factor(elements, e, i, left));
        store_factor(elements, result, i, choose(load_factor(elements, n, i, left) >= 0, splat(0), value), left);
    })
}
