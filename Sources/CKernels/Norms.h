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
    const bool is_bf16, const void *dy, const float *skip, const float *x, const float *weight, const float *means,
    const float *inverses, const int height, int dim, float *dx, bool adds, float *dweight, float *dbias) {
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
            lanes value = fused(upstream, load_floats(weight + i, count), splat(-gradient[r]));           \
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
    const bool is_bf16, const void *dy, const float *skip, const float *x, const float *weight, const float *means,
    const float *inverses, int rows, int dim, float *dx, bool adds, float *dweight, float *dbias) {
    for (int row = 0; row < rows; row += norm_rows) {
        const ptrdiff_t start = (ptrdiff_t)row * dim;
        const void *own = at(is_bf16 ? crate_bfloat16 : crate_float32, dy, start);
        const float *own_skip = skip ? skip + start : NULL;
#define ROWS(height)                                                                                               \
    layer_norm_backward_rows(                                                                                      \
        is_bf16, own, own_skip, x + start, weight, means + row, inverses + row, height, dim, dx + start, adds, dweight, dbias)
        switch (rows - row) {
        case 1: ROWS(1); break;
        case 2: ROWS(2); break;
        case 3: ROWS(3); break;
        default: ROWS(4);
        }
#undef ROWS
    }
}
