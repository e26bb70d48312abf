// x Phi(x), where Phi is the distribution function of the normal distribution and phi its density.
#pragma once
#include "Elements.h"

/// Phi(x) with an absolute error under 1.2e-7, and under 5e-7 relatively down to x = -13, where it nears the smallest floats; 0
/// below about -13.2. phi(x) with a relative error under 2e-7.
///
/// With z = |x|, Phi(-z) = e^(-z^2 / 2) t q(v). t = 1 / (1 + 0.35 z) falls as 1 / z, as the quotient of Phi(-z) and the
/// exponential does; v = 1 - t = 0.35 z t is more precise than t where z is small. q, of degree 8, was fitted to erfcx by
/// least squares, with weights adapted until the relative error was even, 3.2e-8. Where z is large, rounding z^2 would do more
/// harm, so the exponential is corrected by what was lost.
INLINE void normal(lanes x, lanes *distribution, lanes *density) {
    const lanes absolute = (lanes)((word_lanes)x & 0x7FFFFFFF);
    const lanes z = choose(absolute > 14, splat(14), absolute);
    const lanes square = z * z, lost = fused(z, z, -square);
    const lanes estimate = exponential(square * -0.5f), e = fused(estimate, lost * -0.5f, estimate);
    const lanes t = 1 / fused(splat(0.35f), z, splat(1)), v = z * 0.35f * t;
    lanes q = splat(-0.0291147996f);
    q = fused(q, v, splat(0.089100942f));
    q = fused(q, v, splat(-0.0638814047f));
    q = fused(q, v, splat(-0.016197253f));
    q = fused(q, v, splat(-0.0641319007f));
    q = fused(q, v, splat(0.102632359f));
    q = fused(q, v, splat(0.261045754f));
    q = fused(q, v, splat(-0.63983202f));
    q = fused(q, v, splat(0.49999997f));
    const lanes tail = e * (t * q);
    *distribution = choose(x > 0, 1 - tail, tail);
    *density = e * 0.398942280f;
}

INLINE void gelu(crate_elements elements, const void *x, float scale, ptrdiff_t count, void *y) {
    for (ptrdiff_t i = 0; i < count; i += 16) {
        const int left = count - i < 16 ? (int)(count - i) : 16;
        const lanes value = load_factor(elements, x, i, left);
        lanes distribution, density;
        normal(value, &distribution, &density);
        store_factor(elements, y, i, value * distribution * scale, left);
    }
}

INLINE void gelu_backward(
    crate_elements elements, const bool is_bf16, const void *dy, const void *x, float scale, ptrdiff_t count, void *dx,
    void *y) {
    const crate_elements upstream = is_bf16 ? crate_bfloat16 : crate_float32;
    for (ptrdiff_t i = 0; i < count; i += 16) {
        const int left = count - i < 16 ? (int)(count - i) : 16;
        const lanes value = load_factor(elements, x, i, left), gradient = load_factor(upstream, dy, i, left);
        lanes distribution, density;
        normal(value, &distribution, &density);
        store_factor(elements, dx, i, gradient * fused(value, density, distribution) * scale, left);
        store_factor(elements, y, i, value * distribution * scale, left);
    }
}
