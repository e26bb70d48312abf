// The backward pass of TokenStatistics.h; see `token_statistics_backward` in CKernels.h for the formulas and names.
#pragma once
#include "TokenStatistics.h"

/// A thread's memory for the gradients of one image.
typedef struct {
    float *inverses;    // q (D), of sums of squares
    float *slopes;      // dN (D), of sums weighted by memberships
    float *gains;       // -scale g (D), of sums of the upstream gradient
    float *corrections; // c (D), of sums weighted by de
    float *totals;      // Z, then dZ (H)
    float *pulls;       // dpi of a token, then its de tau (H)
    float *own_sums;    // the gradient of tau by the tokens of a group (H), and of all (H)
    float *all_sums;
    float *energies;    // de (T, H)
} statistics_gradients;

INLINE statistics_gradients gradients_in(float *scratch, crate_attention_shape shape) {
    const ptrdiff_t dim = (ptrdiff_t)shape.heads * shape.head_dim, heads = shape.heads;
    memset(scratch, 0, (size_t)(4 * dim + 4 * heads) * sizeof(float));
    float *end = scratch + 4 * dim;
    return (statistics_gradients){
        scratch, scratch + dim, scratch + 2 * dim, scratch + 3 * dim, end, end + heads, end + 2 * heads, end + 3 * heads,
        end + 4 * heads};
}

/// From sums over all tokens: q, -scale g, dN and dZ.
INLINE void finish_sums(const statistics_gradients *own, float scale, crate_attention_shape shape) {
    invert_squares(own->inverses, (ptrdiff_t)shape.heads * shape.head_dim);
    for (int head = 0; head < shape.heads; ++head) {
        const float inverse = 1 / (own->totals[head] + membership_epsilon);
        float *slopes = own->slopes + head * shape.head_dim, *gains = own->gains + head * shape.head_dim;
        float sum = 0;
        for (int i = 0; i < shape.head_dim; ++i) {
            const float s = slopes[i] * inverse, g = 1 / (1 + s);
            slopes[i] = scale * g * g * gains[i] * inverse;
            gains[i] = -scale * g;
            sum -= slopes[i] * s;
        }
        own->totals[head] = sum;
    }
}

/// dpi of one head of a token, but for dZ: the sum of u (-scale g dO + dN u).
INLINE float pull(
    crate_elements upstream, const void *d_output, const float *u, const float *gains, const float *slopes, int head_dim) {
    lanes total = splat(0);
#define ADD(i, count)                                                                                               \
    do {                                                                                                            \
        const lanes x = load_floats(u + i, count);                                                                  \
        const lanes direct = load_factor(upstream, d_output, i, count) * load_floats(gains + i, count);             \
        total = fused(fused(load_floats(slopes + i, count), x, direct), x, total);                                  \
    } while (0)
    FOR_VECTORS(head_dim, ADD);
#undef ADD
    return sum_of_lanes(total);
}

/// de of a token, and its part of the gradient of tau.
INLINE void backpropagate_token(
    const statistics_gradients *own, crate_elements upstream, const void *d_output, const float *u, const float *temperature,
    const float *memberships, float *energies, crate_attention_shape shape) {
    float mean = 0;
    for (int head = 0; head < shape.heads; ++head) {
        const ptrdiff_t corner = (ptrdiff_t)head * shape.head_dim;
        own->pulls[head] = own->totals[head] + pull(
            upstream, at(upstream, d_output, corner), u + corner, own->gains + corner, own->slopes + corner, shape.head_dim);
        mean += memberships[head] * own->pulls[head];
    }
    for (int head = 0; head < shape.heads; ++head) {
        const ptrdiff_t corner = (ptrdiff_t)head * shape.head_dim;
        const float gradient = memberships[head] * (own->pulls[head] - mean);
        own->own_sums[head] += gradient * energy(u + corner, own->inverses + corner, shape.head_dim);
        energies[head] = gradient * temperature[head];
    }
}

/// du = -scale g pi dO + 2 u (dN pi + q (de - c)) for all tokens.
INLINE void write_gradient(
    const statistics_gradients *own, crate_elements elements, crate_elements upstream, const void *d_output, const float *u,
    const float *memberships, void *du, crate_attention_shape shape) {
    for (ptrdiff_t line = 0; line < (ptrdiff_t)shape.tokens * shape.heads; ++line) {
        const ptrdiff_t place = line * shape.head_dim, corner = line % shape.heads * shape.head_dim;
        const float membership = memberships[line], energy_gradient = own->energies[line];
#define WRITE(i, count)                                                                                                \
    do {                                                                                                               \
        const lanes deviation = energy_gradient - load_floats(own->corrections + corner + i, count);                   \
        const lanes curvature = fused(                                                                                 \
            load_floats(own->inverses + corner + i, count), deviation,                                                 \
            load_floats(own->slopes + corner + i, count) * membership);                                                \
        const lanes direct = load_factor(upstream, d_output, place + i, count) *                                       \
                             (load_floats(own->gains + corner + i, count) * membership);                               \
        store_factor(elements, du, place + i, fused(load_floats(u + place + i, count) * 2, curvature, direct), count); \
    } while (0)
        FOR_VECTORS(shape.head_dim, WRITE);
#undef WRITE
    }
}

/// One image: all sums over tokens that the forward pass had, then de and the gradient of tau, then du.
INLINE void token_statistics_backward_of_image(
    crate_elements elements, crate_elements upstream, const void *d_output, const float *u, const float *temperature,
    const float *memberships, void *du, float *temperature_gradient, float scale, float *scratch,
    crate_attention_shape shape) {
    const ptrdiff_t dim = (ptrdiff_t)shape.heads * shape.head_dim;
    const statistics_gradients own = gradients_in(scratch, shape);
    for (int top = 0; top < shape.tokens; top += group_tokens) {
        const int rows = group_rows(shape.tokens, top);
        const float *rows_u = u + top * dim, *weights = memberships + top * shape.heads;
        add_group(shape, rows, NULL, crate_float32, rows_u, rows_u, own.inverses);
        add_group(shape, rows, weights, crate_float32, rows_u, rows_u, own.slopes);
        add_group(shape, rows, weights, upstream, at(upstream, d_output, top * dim), rows_u, own.gains);
        add_memberships(weights, rows, shape.heads, own.totals);
    }
    finish_sums(&own, scale, shape);
    for (int top = 0; top < shape.tokens; top += group_tokens) {
        const int rows = group_rows(shape.tokens, top);
        float *energies = own.energies + top * shape.heads;
        memset(own.own_sums, 0, (size_t)shape.heads * sizeof(float));
        for (int row = 0; row < rows; ++row)
            backpropagate_token(
                &own, upstream, at(upstream, d_output, (top + row) * dim), u + (top + row) * dim, temperature,
                memberships + (top + row) * shape.heads, energies + row * shape.heads, shape);
        add_memberships(own.own_sums, 1, shape.heads, own.all_sums);
        add_group(shape, rows, energies, crate_float32, u + top * dim, u + top * dim, own.corrections);
    }
    add_memberships(own.all_sums, 1, shape.heads, temperature_gradient);
    // A norm that is held at its smallest value does not change.
    for (ptrdiff_t i = 0; i < dim; ++i)
        own.corrections[i] = own.inverses[i] < 1 / smallest_square ? own.corrections[i] * own.inverses[i] : 0;
    write_gradient(&own, elements, upstream, d_output, u, memberships, du, shape);
}

INLINE void token_statistics_backward(
    crate_elements elements, const bool is_bf16, const void *d_output, const float *u, const float *temperature,
    const float *memberships, void *du, float *temperature_gradient, float scale, float *scratch, crate_attention_shape shape) {
    const crate_elements upstream = is_bf16 ? crate_bfloat16 : crate_float32;
    const ptrdiff_t lines = (ptrdiff_t)shape.tokens * shape.heads, count = lines * shape.head_dim;
    for (int image = 0; image < shape.images; ++image)
        token_statistics_backward_of_image(
            elements, upstream, at(upstream, d_output, image * count), u + image * count, temperature,
            memberships + image * lines, at(elements, du, image * count), temperature_gradient, scale, scratch, shape);
}
