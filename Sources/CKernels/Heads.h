// N images, T tokens, H heads, P channels a head, D = H P. E and W are T and P, rounded up to 16.
//
// A head is computed for a strip of rows at a time, whose scores stay in the L1 cache from the product that makes them to
// the one that uses them.
#pragma once
#include "Products.h"

enum { most_strip_rows = 32 };

/// Rows of a strip: whole tiles.
INLINE int strip_rows(crate_elements elements) {
#ifdef HAS_AMX
    if (elements == crate_bfloat16) return amx_block;
#endif
    return 4 * tile_rows;
}

/// A thread's memory for one head, and where the head is.
typedef struct {
    crate_elements elements;
    int tokens, extent, head_dim, width;
    ptrdiff_t dim;
    /// Bytes of E elements; steps of a sum over the channels and over the tokens.
    ptrdiff_t extent_bytes;
    int channel_steps, token_steps;
    /// Whether the channels are an odd number of bf16.
    bool has_half;
    uint32_t *transposed;  // U^T, (P, E) or (P / 2, E) pairs
    uint32_t *values;      // U, (T, W) or (T / 2, W) pairs
    uint32_t *upstream;    // sign dO, as U
    float *result;         // a strip of O or dU
    float *scores;         // forward a strip of S; backward dS, (E, E)
    uint32_t *weights;     // bf16, backward: A^T, see `pair_left`
    uint32_t *gradient;    // bf16, backward: dS + dS^T, (E, E / 2)
} head;

INLINE head head_in(float *scratch, crate_elements elements, crate_attention_shape shape) {
    head h;
    h.elements = elements;
    h.tokens = shape.tokens;
    h.extent = up_to_16(h.tokens);
    h.head_dim = shape.head_dim;
    h.width = up_to_16(h.head_dim);
    h.dim = (ptrdiff_t)shape.heads * shape.head_dim;
    h.extent_bytes = h.extent * size_of(elements);
    h.has_half = elements == crate_bfloat16 && h.head_dim % 2 != 0;
    h.channel_steps = steps_of(elements, h.head_dim) - h.has_half;
    h.token_steps = steps_of(elements, h.tokens);
    const ptrdiff_t matrix = (ptrdiff_t)h.extent * h.width, square = (ptrdiff_t)h.extent * h.extent;
    h.transposed = (uint32_t *)scratch;
    h.values = h.transposed + matrix;
    h.upstream = h.values + matrix;
    h.result = (float *)(h.upstream + matrix);
    h.scores = h.result + most_strip_rows * h.width;
    const bool is_bf16 = elements == crate_bfloat16;
    h.weights = is_bf16 ? (uint32_t *)h.scores + square : NULL;
    h.gradient = is_bf16 ? h.weights + square / 2 + 8 * h.extent : (uint32_t *)h.scores;
    return h;
}

// Everything that a product reads of this memory is written before, padding included: what an earlier call with other tokens or
// channels has left there may be anything, NaN too.

/// U^T from the head's columns of U, whose rows are `stride` elements apart, as the right factor of a sum over channels.
INLINE void transpose_head(const head *h, const uint32_t *source, ptrdiff_t stride) {
    transpose_words(source, stride * size_of(h->elements), h->tokens, h->channel_steps, h->transposed, h->extent);
    if (!h->has_half) return;
    uint32_t *last = h->transposed + h->channel_steps * h->extent;
    for (int token = 0; token < h->extent; ++token)
        last[token] = token < h->tokens ? ((const uint16_t *)source)[token * stride + h->head_dim - 1] : 0;
}

/// `sign` times the head's columns of a matrix, as the right factor of a sum over tokens.
INLINE void pack_head(const head *h, const uint32_t *source, ptrdiff_t stride, float sign, uint32_t *target) {
    const uint32_t signs = sign < 0 ? 0x80008000 : 0;  // those of a pair of bf16
    for (int column = 0; column < h->width; column += 16) {
        const int left = h->head_dim - column;
        for (int step = 0; step < h->token_steps; ++step) {
            uint32_t *place = target + step * h->width + column;
            if (h->elements == crate_bfloat16) {
                const uint16_t *first = (const uint16_t *)source + 2 * step * stride + column;
                const half_lanes second = load_some_halves(first + stride, 2 * step + 1 < h->tokens ? left : 0);
                store_words(place, pairs_of_halves(load_some_halves(first, left), second) ^ signs);
            } else {
                store((float *)place, load_factor(h->elements, source, step * stride + column, left) * sign);
            }
        }
    }
}

/// Writes scale * result, `rows` of it, to the head's columns of a matrix.
INLINE void store_result(const head *h, int rows, float scale, uint32_t *target, ptrdiff_t stride) {
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < h->width; column += 16)
            store_factor(
                h->elements, target, row * stride + column, load(h->result + row * h->width + column) * scale,
                h->head_dim - column);
}

/// C (rows, E) = A U^T for the head's columns of rows of a matrix, while `rows` of the probabilities are fetched.
INLINE void multiply_scores(
    const head *h, const uint32_t *a, ptrdiff_t stride, int rows, float *scores, const uint32_t *probabilities) {
    const factors f = {a, stride * size_of(h->elements), 4, h->transposed, h->extent, h->channel_steps, h->has_half};
    upcoming next = upcoming_rows(probabilities, h->extent_bytes, rows, h->extent_bytes, tiles_of(rows, h->extent));
    multiply_tiles(h->elements, &f, 1, rows, (destination){scores, h->extent, h->extent, crate_float32, {0}}, &next);
}

/// Rows of S become rows of A = softmax(scale S), in `probabilities`; padding becomes zero. One pass after the other over
/// all rows, so that no row waits for the maximum or the sum of its own.
INLINE void softmax(const head *h, int rows, float scale, uint32_t *probabilities) {
    const int extent = h->extent;
    float shift[most_strip_rows], inverse[most_strip_rows];
    for (int row = 0; row < rows; ++row) {
        float *line = h->scores + row * extent;
        for (int j = h->tokens; j < extent; ++j) line[j] = -INFINITY;
        lanes maximum = load(line);
        for (int j = 16; j < extent; j += 16) maximum = larger_of_two(load(line + j), maximum);
        shift[row] = -scale * largest_lane(maximum);
    }
    for (int row = 0; row < rows; ++row) {
        float *line = h->scores + row * extent;
        lanes total = splat(0);
        for (int j = 0; j < extent; j += 16) {
            const lanes x = exponential(fused(load(line + j), splat(scale), splat(shift[row])));
            store(line + j, x);
            total += x;
        }
        inverse[row] = 1 / sum_of_lanes(total);
    }
    for (int row = 0; row < rows; ++row)
        for (int j = 0; j < extent; j += 16)
            store_factor(
                h->elements, probabilities, row * extent + j, load(h->scores + row * extent + j) * inverse[row], 16);
}

INLINE void attend(
    crate_elements elements, const void *u, void *probabilities, void *output, float sign, float *scratch,
    crate_attention_shape shape) {
    const head h = head_in(scratch, elements, shape);
    const int strip = strip_rows(elements);
    const float scale = 1 / sqrtf((float)h.head_dim);
    for (int index = 0; index < shape.images * shape.heads; ++index) {
        const ptrdiff_t corner = index / shape.heads * h.tokens * h.dim + index % shape.heads * h.head_dim;
        const uint32_t *own = at(elements, u, corner);
        uint32_t *weights = at(elements, probabilities, (ptrdiff_t)index * h.extent * h.extent);
        transpose_head(&h, own, h.dim);
        pack_head(&h, own, h.dim, 1, h.values);
        for (int top = 0; top < h.tokens; top += strip) {
            const int rows = h.tokens - top < strip ? h.tokens - top : strip;
            uint32_t *own_weights = at(elements, weights, top * h.extent);
            multiply_scores(&h, at(elements, own, top * h.dim), h.dim, rows, h.scores, own_weights);
            softmax(&h, rows, scale, own_weights);
            const factors f = {own_weights, h.extent_bytes, 4, h.values, h.width, h.token_steps, false};
            upcoming next = {0};
            multiply_tiles(elements, &f, 1, rows, (destination){h.result, h.width, h.width, crate_float32, {0}}, &next);
            store_result(&h, rows, sign, at(elements, output, corner + top * h.dim), h.dim);
        }
    }
}

/// dS = scale A (dA - rowsum(A dA)) for rows of dA, in `scores`, in the format `result`; dS may be dA.
INLINE void softmax_backward(
    const head *h, const float *scores, int rows, float scale, const uint32_t *probabilities, crate_elements result,
    void *gradient) {
    const int extent = h->extent;
    float shift[most_strip_rows];
    for (int row = 0; row < rows; ++row) {
        const float *line = scores + row * extent;
        lanes projection = splat(0);
        for (int j = 0; j < extent; j += 16)
            projection += load(line + j) * load_factor(h->elements, probabilities, row * extent + j, 16);
        shift[row] = sum_of_lanes(projection);
    }
    for (int row = 0; row < rows; ++row) {
        const float *line = scores + row * extent;
        for (int j = 0; j < extent; j += 16) {
            const lanes weight = load_factor(h->elements, probabilities, row * extent + j, 16);
            store_factor(result, gradient, row * extent + j, (load(line + j) - shift[row]) * (weight * scale), 16);
        }
    }
}

INLINE void attend_backward(
    crate_elements elements, const void *d_output, const void *u, const void *probabilities, void *du, float sign,
    float *scratch, crate_attention_shape shape) {
    const head h = head_in(scratch, elements, shape);
    const int strip = strip_rows(elements);
    const float scale = sign / sqrtf((float)h.head_dim);
    for (int index = 0; index < shape.images * shape.heads; ++index) {
        const ptrdiff_t corner = index / shape.heads * h.tokens * h.dim + index % shape.heads * h.head_dim;
        const uint32_t *own = at(elements, u, corner), *upstream = at(elements, d_output, corner);
        const uint32_t *weights = at(elements, probabilities, (ptrdiff_t)index * h.extent * h.extent);
        transpose_head(&h, own, h.dim);
        pack_head(&h, own, h.dim, 1, h.values);
        pack_head(&h, upstream, h.dim, sign, h.upstream);
        for (int top = 0; top < h.tokens; top += strip) {
            const int rows = h.tokens - top < strip ? h.tokens - top : strip;
            // Without the sign, which `scale` has.
            const uint32_t *own_weights = at(elements, weights, top * h.extent);
            float *own_scores = h.scores + top * h.extent;
            multiply_scores(&h, at(elements, upstream, top * h.dim), h.dim, rows, own_scores, own_weights);
            softmax_backward(&h, own_scores, rows, scale, own_weights, crate_float32, own_scores);
        }
        memset(h.scores + h.tokens * h.extent, 0, (size_t)((h.extent - h.tokens) * h.extent) * sizeof(float));
        symmetrise(elements, h.scores, h.gradient, h.extent);
        const ptrdiff_t left = left_stride(h.tokens, h.extent);
        if (elements == crate_bfloat16)
            pair_left((const uint16_t *)weights, h.extent, h.tokens, h.extent, h.weights, left);
        for (int top = 0; top < h.tokens; top += strip) {
            const int rows = h.tokens - top < strip ? h.tokens - top : strip;
            const factors f[2] = {
                elements == crate_bfloat16
                    ? left_factor(h.weights, left, top, h.upstream, h.width, h.token_steps)
                    : (factors){weights + top, 4, 4 * h.extent, h.upstream, h.width, h.token_steps, false},
                {at(elements, h.gradient, top * h.extent), h.extent_bytes, 4, h.values, h.width, h.token_steps, false}};
            upcoming next = {0};
            multiply_tiles(elements, f, 2, rows, (destination){h.result, h.width, h.width, crate_float32, {0}}, &next);
            store_result(&h, rows, 1, at(elements, du, corner + top * h.dim), h.dim);
        }
    }
}
