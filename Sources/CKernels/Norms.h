// Rows of D channels. y = (x - mean) * inverse * weight + bias with inverse = 1 / sqrt(var + epsilon).
#pragma once
#include "Elements.h"

/// `body(i, count)` for every vector of a row: `count` is the constant 16, but for the last vector of a row that has fewer.
#define FOR_VECTORS(dim, body)                                \
    do {                                                      \
        int i = 0;                                            \
        for (; i + 16 <= (dim); i += 16) body(i, 16);         \
        if (i < (dim)) body(i, (dim) - i);                    \
    } while (0)

INLINE lanes load_floats(const float *source, int count) { return (lanes)load_some_words(source, count); }

/// The first `count` lanes; zero past them.
INLINE lanes first_lanes(lanes x, int count) {
    const int_lanes index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return count >= 16 ? x : choose(index < count, x, splat(0));
}

INLINE void layer_norm(
    crate_elements elements, const float *x, const float *weight, const float *bias, float epsilon, int rows, int dim,
    float *means, float *inverses, void *y) {
    for (int row = 0; row < rows; ++row) {
        const float *source = x + (ptrdiff_t)row * dim;
        lanes total = splat(0), squares = splat(0);
#define ADD(i, count) total += load_floats(source + i, count)
        FOR_VECTORS(dim, ADD);
        const float mean = sum_of_lanes(total) / (float)dim;
#define ADD_SQUARE(i, count)                                                         \
    do {                                                                             \
        const lanes centred = first_lanes(load_floats(source + i, count) - mean, count); \
        squares = fused(centred, centred, squares);                                                \
    } while (0)
        FOR_VECTORS(dim, ADD_SQUARE);
        const float inverse = 1 / sqrtf(sum_of_lanes(squares) / (float)dim + epsilon);
        means[row] = mean;
        inverses[row] = inverse;
#define WRITE(i, count)                                                                                         \
    store_factor(                                                                                               \
        elements, y, (ptrdiff_t)row * dim + i,                                                                  \
        fused((load_floats(source + i, count) - mean) * inverse, load_floats(weight + i, count),                \
              load_floats(bias + i, count)),                                                                    \
        count)
        FOR_VECTORS(dim, WRITE);
#undef ADD
#undef ADD_SQUARE
#undef WRITE
    }
}

/// Rows whose gradients are summed before the sums of weight and bias go back to memory.
enum { norm_rows = 4 };

/// `height` rows, at most `norm_rows`: first the means of the gradient and of its projection of each, then everything by column.
INLINE void layer_norm_backward_rows(
    crate_elements elements, const bool is_bf16, const void *dy, const float *skip, const float *x, const float *weight,
    const float *bias, const float *means, const float *inverses, const int height, int dim, float *dx, bool adds,
    float *dweight, float *dbias, void *y) {
    const crate_elements format = is_bf16 ? crate_bfloat16 : crate_float32;
    float gradient[norm_rows], projection[norm_rows];
#define UPSTREAM(r, i, count)                                     \
    (load_factor(format, dy, (ptrdiff_t)(r) * dim + (i), count) + \
     (skip ? load_floats(skip + (ptrdiff_t)(r) * dim + (i), count) : splat(0)))
#define NORMALISED(r, i, count) ((load_floats(x + (ptrdiff_t)(r) * dim + (i), count) - means[r]) * inverses[r])
    UNROLL for (int r = 0; r < height; ++r) {
        lanes total = splat(0), projected = splat(0);
#define ADD(i, count)                                                                       \
    do {                                                                                    \
        const lanes weighted = UPSTREAM(r, i, count) * load_floats(weight + i, count);      \
        total += weighted;                                                                  \
        projected = fused(weighted, NORMALISED(r, i, count), projected);                                    \
    } while (0)
        FOR_VECTORS(dim, ADD);
        gradient[r] = sum_of_lanes(total) / (float)dim;
        projection[r] = sum_of_lanes(projected) / (float)dim;
#undef ADD
    }
#define WRITE(i, count)                                                                                   \
    do {                                                                                                  \
        lanes weights = load_floats(dweight + i, count), biases = load_floats(dbias + i, count);          \
        UNROLL for (int r = 0; r < height; ++r) {                                                         \
            const lanes upstream = UPSTREAM(r, i, count), normalised = NORMALISED(r, i, count);           \
            weights = fused(upstream, normalised, weights);                                                             \
            biases += upstream;                                                                           \
            const lanes scale = load_floats(weight + i, count);                                           \
            if (y)                                                                                        \
                store_factor(                                                                             \
                    elements, y, (ptrdiff_t)r * dim + i,                                                  \
                    fused(normalised, scale, load_floats(bias + i, count)), count);                       \
            lanes value = fused(upstream, scale, splat(-gradient[r]));                                    \
            value = fused(normalised, splat(-projection[r]), value);                                      \
            value *= inverses[r];                                                                         \
            float *target = dx + (ptrdiff_t)r * dim + i;                                                  \
            if (adds) value += load_floats(target, count);                                                \
            store_factor(crate_float32, target, 0, value, count);                                         \
        }                                                                                                 \
        store_factor(crate_float32, dweight, i, weights, count);                                          \
        store_factor(crate_float32, dbias, i, biases, count);                                             \
    } while (0)
    FOR_VECTORS(dim, WRITE);
#undef WRITE
#undef UPSTREAM
#undef NORMALISED
}

/// The same bits as row after row: the sums of weight and bias take the rows in order.
INLINE void layer_norm_backward(
    crate_elements elements, const bool is_bf16, const void *dy, const float *skip, const float *x, const float *weight,
    const float *bias, const float *means, const float *inverses, int rows, int dim, float *dx, bool adds, float *dweight,
    float *dbias, void *y) {
    for (int row = 0; row < rows; row += norm_rows) {
        const ptrdiff_t start = (ptrdiff_t)row * dim;
        const void *own = at(is_bf16 ? crate_bfloat16 : crate_float32, dy, start);
        const float *own_skip = skip ? skip + start : NULL;
        void *own_y = y ? at(elements, y, start) : NULL;
#define ROWS(height)                                                                                                     \
    layer_norm_backward_rows(                                                                                            \
        elements, is_bf16, own, own_skip, x + start, weight, bias, means + row, inverses + row, height, dim, dx + start, \
        adds, dweight, dbias, own_y)
        switch (rows - row) {
        case 1: ROWS(1); break;
        case 2: ROWS(2); break;
        case 3: ROWS(3); break;
        default: ROWS(4);
        }
#undef ROWS
    }
}

INLINE void add_norm_and_threshold(
    const float *x, const float *weight, const float *bias, const float *means, const float *inverses, int rows, int dim,
    float threshold, float *y) {
    for (int row = 0; row < rows; ++row, x += dim, y += dim) {
        const float mean = means[row], inverse = inverses[row];
#define ADD(i, count)                                                                                                     \
    do {                                                                                                                  \
        const lanes normalised = (load_floats(x + i, count) - mean) * inverse;                                            \
        const lanes output = fused(normalised, load_floats(weight + i, count), load_floats(bias + i, count));             \
        const lanes value = load_floats(y + i, count) + output - threshold;                                               \
        store_some_words(y + i, (word_lanes)choose(value <= 0, splat(0), value), count);                                  \
    } while (0)
        FOR_VECTORS(dim, ADD);
#undef ADD
    }
}

INLINE void mask(crate_elements elements, float *dy, const float *y, ptrdiff_t count, void *factor) {
    for (ptrdiff_t i = 0; i < count; i += 16) {
        const int left = count - i < 16 ? (int)(count - i) : 16;
        const lanes e = choose(load_floats(y + i, left) <= 0, splat(0), load_floats(dy + i, left));
        store_some_words(dy + i, (word_lanes)e, left);
        if (factor != dy) store_factor(elements, factor, i, e, left);
    }
}

INLINE void convert(crate_elements elements, const float *x, ptrdiff_t count, void *result) {
    for (ptrdiff_t i = 0; i < count; i += 16) {
        const int left = count - i < 16 ? (int)(count - i) : 16;
        const lanes value = load_floats(x + i, left);
        if (elements == crate_bfloat16)
            // The processor's conversion takes denormal floats as zeros.
            store_some_halves(
                (uint16_t *)result + i, __builtin_convertvector(bits_rounded_to_bf16(value) >> 16, half_lanes), left);
        else store_factor(elements, result, i, value, left);
    }
}
