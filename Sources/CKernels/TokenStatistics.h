// Attention without products of tokens: a head damps channels by the second moments of the tokens that belong to it. For an image
// u is (T, D), memberships are (T, H). See `token_statistics` in CKernels.h for the formulas.
//
// Sums over tokens are taken in groups, whose sums are then added up: short sums lose less, and the rows of a group are in the
// L1 cache for all that is computed of them.
#pragma once
#include "Norms.h"

enum { group_tokens = 16 };

/// Smallest square of a norm, and what is added to the sum of a head's memberships.
static const float smallest_square = 1e-24f, membership_epsilon = 1e-8f;

INLINE int group_rows(int tokens, int first) { return tokens - first < group_tokens ? tokens - first : group_tokens; }

/// sums (D) += for each channel the sum of w x u over `rows` tokens; w (rows, H) is that of the channel's head, or 1 if NULL.
INLINE void add_group(
    crate_attention_shape shape, int rows, const float *weights, crate_elements elements, const void *x, const float *u,
    float *sums) {
    const ptrdiff_t dim = (ptrdiff_t)shape.heads * shape.head_dim;
    for (int head = 0; head < shape.heads; ++head) {
        const ptrdiff_t corner = (ptrdiff_t)head * shape.head_dim;
#define ADD(i, count)                                                                                              \
    do {                                                                                                           \
        lanes total = splat(0);                                                                                    \
        for (int row = 0; row < rows; ++row) {                                                                     \
            const ptrdiff_t place = row * dim + corner + i;                                                        \
            const lanes product = load_factor(elements, x, place, count) * load_floats(u + place, count);          \
            total = weights ? fused(product, splat(weights[row * shape.heads + head]), total) : total + product;   \
        }                                                                                                          \
        store_factor(crate_float32, sums, corner + i, load_floats(sums + corner + i, count) + total, count);       \
    } while (0)
        FOR_VECTORS(shape.head_dim, ADD);
#undef ADD
    }
}

/// sums (H) += the sum of x (rows, H) over the rows.
INLINE void add_memberships(const float *x, int rows, int heads, float *sums) {
    for (int head = 0; head < heads; ++head) {
        float total = 0;
        for (int row = 0; row < rows; ++row) total += x[row * heads + head];
        sums[head] += total;
    }
}

/// x becomes q = 1 / n^2, x the sums of squares.
INLINE void invert_squares(float *x, ptrdiff_t dim) {
    for (ptrdiff_t i = 0; i < dim; ++i) x[i] = 1 / (x[i] > smallest_square ? x[i] : smallest_square);
}

/// sum u^2 q over a head's channels of a token.
INLINE float energy(const float *u, const float *inverses, int head_dim) {
    lanes total = splat(0);
#define ADD(i, count)                                                            \
    do {                                                                         \
        const lanes x = load_floats(u + i, count);                               \
        total = fused(x * x, load_floats(inverses + i, count), total);           \
    } while (0)
    FOR_VECTORS(head_dim, ADD);
#undef ADD
    return sum_of_lanes(total);
}

/// The memberships of a token.
INLINE void assign_token(
    crate_attention_shape shape, const float *u, const float *inverses, const float *temperature, float *memberships) {
    float largest = -INFINITY;
    for (int head = 0; head < shape.heads; ++head) {
        const ptrdiff_t corner = (ptrdiff_t)head * shape.head_dim;
        const float x = temperature[head] * energy(u + corner, inverses + corner, shape.head_dim);
        memberships[head] = x;
        if (!(x <= largest)) largest = x;
    }
    lanes total = splat(0);
#define RAISE(i, count)                                                                     \
    do {                                                                                    \
        const lanes x = exponential(load_floats(memberships + i, count) - largest);         \
        store_some_words(memberships + i, (word_lanes)x, count);                            \
        total += first_lanes(x, count);                                                     \
    } while (0)
    FOR_VECTORS(shape.heads, RAISE);
#undef RAISE
    const float sum = sum_of_lanes(total);
    for (int head = 0; head < shape.heads; ++head) memberships[head] /= sum;
}

/// One image: the sums of squares, then the memberships and the sums weighted by them, then the output.
INLINE void token_statistics_of_image(
    crate_elements elements, const float *u, const float *temperature, float *memberships, void *output, float scale,
    float *scratch, crate_attention_shape shape) {
    const ptrdiff_t dim = (ptrdiff_t)shape.heads * shape.head_dim;
    float *inverses = scratch, *gains = inverses + dim, *totals = gains + dim;
    memset(scratch, 0, (size_t)(2 * dim + shape.heads) * sizeof(float));
    for (int top = 0; top < shape.tokens; top += group_tokens)
        add_group(shape, group_rows(shape.tokens, top), NULL, crate_float32, u + top * dim, u + top * dim, inverses);
    invert_squares(inverses, dim);
    for (int top = 0; top < shape.tokens; top += group_tokens) {
        const int rows = group_rows(shape.tokens, top);
        const float *own = u + top * dim;
        float *own_memberships = memberships + top * shape.heads;
        for (int row = 0; row < rows; ++row)
            assign_token(shape, own + row * dim, inverses, temperature, own_memberships + row * shape.heads);
        add_memberships(own_memberships, rows, shape.heads, totals);
        add_group(shape, rows, own_memberships, crate_float32, own, own, gains);
    }
    for (int head = 0; head < shape.heads; ++head) {
        float *own = gains + head * shape.head_dim;
        for (int i = 0; i < shape.head_dim; ++i) own[i] = -scale / (1 + own[i] / (totals[head] + membership_epsilon));
    }
    for (ptrdiff_t line = 0; line < (ptrdiff_t)shape.tokens * shape.heads; ++line) {
        const ptrdiff_t place = line * shape.head_dim;
        const float *own_gains = gains + line % shape.heads * shape.head_dim;
#define WRITE(i, count)                                                                                                \
    store_factor(                                                                                                      \
        elements, output, place + i,                                                                                   \
        load_floats(u + place + i, count) * memberships[line] * load_floats(own_gains + i, count), count)
        FOR_VECTORS(shape.head_dim, WRITE);
#undef WRITE
    }
}

INLINE void token_statistics(
    crate_elements elements, const float *u, const float *temperature, float *memberships, void *output, float scale,
    float *scratch, crate_attention_shape shape) {
    const ptrdiff_t lines = (ptrdiff_t)shape.tokens * shape.heads, count = lines * shape.head_dim;
    for (int image = 0; image < shape.images; ++image)
        token_statistics_of_image(
            elements, u + image * count, temperature, memberships + image * lines, at(elements, output, image * count), scale,
            scratch, shape);
}
