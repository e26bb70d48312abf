// Attention with queries, keys and values of their own: (N T, 3 D), in each row Q, K and V, which have the heads side by side.
#pragma once
#include "Heads.h"

/// The head's columns of Q, K and V in an image's rows, which are `stride` elements apart.
typedef struct {
    uint32_t *queries, *keys, *values;
    ptrdiff_t stride;
} head_inputs;

INLINE head_inputs inputs_of(const head *h, const void *qkv, int image, int first_channel) {
    const ptrdiff_t stride = 3 * h->dim, corner = image * h->tokens * stride + first_channel;
    return (head_inputs){
        at(h->elements, qkv, corner), at(h->elements, qkv, corner + h->dim), at(h->elements, qkv, corner + 2 * h->dim),
        stride};
}

/// `rows` of the head's columns of a matrix from row `top` on, to be fetched during `tiles` tiles.
INLINE upcoming upcoming_strip(const head *h, const uint32_t *source, ptrdiff_t stride, int top, int rows, int tiles) {
    const int left = h->tokens - top;
    return upcoming_rows(
        at(h->elements, source, top * stride), stride * size_of(h->elements), left < rows ? left : rows,
        h->head_dim * size_of(h->elements), tiles);
}

INLINE void attend_separately(
    crate_elements elements, const void *qkv, void *probabilities, void *output, float scale, float *scratch,
    crate_attention_shape shape) {
    const head h = head_in(scratch, elements, shape);
    const int strip = strip_rows(elements);
    const float temperature = 1 / sqrtf((float)h.head_dim);
    for (int index = 0; index < shape.images * shape.heads; ++index) {
        const int image = index / shape.heads, channel = index % shape.heads * h.head_dim;
        const head_inputs own = inputs_of(&h, qkv, image, channel);
        uint32_t *weights = at(elements, probabilities, (ptrdiff_t)index * h.extent * h.extent);
        uint32_t *result = at(elements, output, image * h.tokens * h.dim + channel);
        transpose_head(&h, own.keys, own.stride);
        pack_head(&h, own.values, own.stride, 1, h.values);
        for (int top = 0; top < h.tokens; top += strip) {
            const int rows = h.tokens - top < strip ? h.tokens - top : strip;
            uint32_t *own_weights = at(elements, weights, top * h.extent);
            multiply_scores(&h, at(elements, own.queries, top * own.stride), own.stride, rows, h.scores, own_weights);
            softmax(&h, rows, temperature, own_weights);
            const factors f = {own_weights, h.extent_bytes, 4, h.values, h.width, h.token_steps, false};
            upcoming next = upcoming_strip(&h, own.queries, own.stride, top + strip, strip, tiles_of(rows, h.width));
            multiply_tiles(elements, &f, 1, rows, (destination){h.result, h.width, h.width, crate_float32, {0}}, &next);
            store_result(&h, rows, scale, at(elements, result, top * h.dim), h.dim);
        }
    }
}

/// Writes scale * A^T B to the head's columns of a matrix, where A is (T, E) and B in `packed`, T rows.
INLINE void multiply_transpose(
    const head *h, const uint32_t *a, const uint32_t *packed, float scale, uint32_t *target, ptrdiff_t stride) {
    const int strip = strip_rows(h->elements);
    const ptrdiff_t left = left_stride(h->tokens, h->extent);
    const bool is_bf16 = h->elements == crate_bfloat16;
    if (is_bf16) pair_left((const uint16_t *)a, h->extent, h->tokens, h->extent, h->weights, left);
    for (int top = 0; top < h->tokens; top += strip) {
        const int rows = h->tokens - top < strip ? h->tokens - top : strip;
        const factors f = is_bf16 ? left_factor(h->weights, left, top, packed, h->width, h->token_steps)
                                  : (factors){a + top, 4, 4 * h->extent, packed, h->width, h->token_steps, false};
        upcoming next = {0};
        multiply_tiles(h->elements, &f, 1, rows, (destination){h->result, h->width, h->width, crate_float32, {0}}, &next);
        store_result(h, rows, scale, at(h->elements, target, top * stride), stride);
    }
}

INLINE void attend_separately_backward(
    crate_elements elements, const void *d_output, const void *qkv, const void *probabilities, void *dqkv, float scale,
    float *scratch, crate_attention_shape shape) {
    const head h = head_in(scratch, elements, shape);
    const int strip = strip_rows(elements);
    const float temperature = scale / sqrtf((float)h.head_dim);
    for (int index = 0; index < shape.images * shape.heads; ++index) {
        const int image = index / shape.heads, channel = index % shape.heads * h.head_dim;
        const head_inputs own = inputs_of(&h, qkv, image, channel), gradients = inputs_of(&h, dqkv, image, channel);
        const uint32_t *upstream = at(elements, d_output, image * h.tokens * h.dim + channel);
        const uint32_t *weights = at(elements, probabilities, (ptrdiff_t)index * h.extent * h.extent);
        transpose_head(&h, own.values, own.stride);
        pack_head(&h, own.keys, own.stride, 1, h.values);
        for (int top = 0; top < h.tokens; top += strip) {
            const int rows = h.tokens - top < strip ? h.tokens - top : strip;
            const uint32_t *own_weights = at(elements, weights, top * h.extent);
            uint32_t *own_gradient = at(elements, h.gradient, top * h.extent);
            // Floats become dS in place; bf16 goes elsewhere, so one strip of scores serves for all.
            float *own_scores = elements == crate_bfloat16 ? h.scores : (float *)own_gradient;
            multiply_scores(&h, at(elements, upstream, top * h.dim), h.dim, rows, own_scores, own_weights);
            softmax_backward(&h, own_scores, rows, temperature, own_weights, elements, own_gradient);
            const factors f = {own_gradient, h.extent_bytes, 4, h.values, h.width, h.token_steps, false};
            upcoming next = upcoming_strip(&h, upstream, h.dim, top + strip, strip, tiles_of(rows, h.width));
            multiply_tiles(elements, &f, 1, rows, (destination){h.result, h.width, h.width, crate_float32, {0}}, &next);
            store_result(&h, rows, 1, at(elements, gradients.queries, top * own.stride), own.stride);
        }
        pack_head(&h, own.queries, own.stride, 1, h.upstream);
        multiply_transpose(&h, h.gradient, h.upstream, 1, gradients.keys, own.stride);
        pack_head(&h, upstream, h.dim, 1, h.upstream);
        multiply_transpose(&h, weights, h.upstream, scale, gradients.values, own.stride);
    }
}
