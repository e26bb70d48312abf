// Products of tokens and weights. A weight is packed once a step, since it is a factor of many rows: panels of the columns
// of a tile, in each of which the words of a step follow those of the step before.
#pragma once
#include "Tiles.h"
#include "Transposes.h"

/// Bytes of A's rows that stay in the L2 cache while all panels go by.
enum { block_bytes = 384 << 10 };

/// The rows of a block: whole tiles, and blocks of one size, since a short one would still read all panels.
INLINE int block_rows_of(crate_elements elements, int rows, int depth) {
    const ptrdiff_t bytes = (ptrdiff_t)rows * depth * size_of(elements), blocks = (bytes + block_bytes / 2) / block_bytes;
    const int height = blocks < 2 ? rows : (int)((rows + blocks - 1) / blocks);
    return (height + tile_rows - 1) / tile_rows * tile_rows;
}

/// Steps of a long sum after which the sums go back to memory, where they wait for the next steps, and in bf16 the columns of
/// A at a time: so that a panel of B and the pairs of A stay in the L2 cache.
enum { chunk_steps = 256, chunk_pairs = 128, block_columns = 768 };

_Static_assert(chunk_steps * 64 + chunk_pairs * block_columns <= crate_product_scratch_count, "scratch of add_product");

/// Rows k ... k + 15 of the columns j ... j + 15 of a weight of which `rows` and `columns` are left there, zero past the end.
/// Either the columns or the rows are consecutive in memory.
INLINE void load_block(
    const float *weight, ptrdiff_t k_step, ptrdiff_t j_step, int k, int j, int rows, int columns, word_lanes *x) {
    const bool is_transposed = j_step != 1;
    const ptrdiff_t step = is_transposed ? j_step : k_step;
    const float *corner = weight + k * k_step + j * j_step;
    const int lines = is_transposed ? columns : rows, length = is_transposed ? rows : columns;
    for (int i = 0; i < 16; ++i) x[i] = i < lines ? load_some_words(corner + i * step, length) : (word_lanes){0};
    if (is_transposed) transpose_square(x);
}

INLINE void pack(
    crate_elements elements, const float *weight, ptrdiff_t k_step, ptrdiff_t j_step, int depth, int columns, void *panels) {
    const int pair = elements == crate_bfloat16 ? 2 : 1, steps = steps_of(elements, depth);
    for (int column = 0, width; column < columns; column += width) {
        width = 16 * vectors_from(column, columns);
        uint32_t *panel = (uint32_t *)panels + (ptrdiff_t)column * steps;
        for (int j = 0; j < width; j += 16)
            for (int k = 0; k < depth; k += 16) {
                word_lanes x[16];
                load_block(weight, k_step, j_step, k, column + j, depth - k, columns - column - j, x);
                for (int i = 0; i < 16 && k + i < depth; i += pair) {
                    uint32_t *place = panel + (k + i) / pair * width + j;
                    if (pair == 2) store_words(place, pairs_of((lanes)x[i], (lanes)x[i + 1]));
                    else store_factor(elements, place, 0, (lanes)x[i], 16);
                }
            }
    }
}

INLINE void multiply(
    crate_elements elements, const void *a, ptrdiff_t a_stride, const void *panels, int rows, int depth, int columns,
    void *c, ptrdiff_t c_stride, crate_elements result, crate_addends addends, crate_memory later) {
    const bool has_half = elements == crate_bfloat16 && depth % 2 != 0;
    const int steps = steps_of(elements, depth);
    const int block = block_rows_of(elements, rows, depth);
    enum { piece = 512 };
    upcoming next = upcoming_rows(later.start, piece, (int)(later.bytes / piece), piece, tiles_of(rows, columns));
    for (int top = 0; top < rows; top += block) {
        const int height = rows - top < block ? rows - top : block;
        for (int column = 0, width; column < columns; column += width) {
            width = 16 * vectors_from(column, columns);
            const factors f = {
                at(elements, a, top * a_stride), a_stride * size_of(elements), 4,
                (const uint32_t *)panels + (ptrdiff_t)column * steps, width, steps - has_half, has_half};
            const ptrdiff_t corner = top * c_stride + column;
            multiply_tiles(
                elements, &f, 1, height,
                (destination){
                    at(result, c, corner), c_stride, columns - column < width ? columns - column : width, result,
                    {addends.matrix ? addends.matrix + corner : NULL, addends.row ? addends.row + column : NULL, addends.sign}},
                &next);
        }
    }
}

/// Rows of `x` (rows, columns) as pairs of two rows, (rows / 2 rounded up, `stride`), padded with zeros to whole vectors.
INLINE void pair_rows(const uint16_t *x, ptrdiff_t x_stride, int rows, int columns, uint32_t *pairs, ptrdiff_t stride) {
    for (int row = 0; row < rows; row += 2)
        for (int column = 0; column < columns; column += 16) {
            const uint16_t *first = x + row * x_stride + column;
            const int count = row + 1 < rows ? columns - column : 0;
            store_words(
                pairs + row / 2 * stride + column,
                pairs_of_halves(load_some_halves(first, columns - column), load_some_halves(first + x_stride, count)));
        }
}

/// Rows of `x` (rows, columns) as the left factor of a sum over these rows: word (i, k) is the pair of rows 2 k and 2 k + 1 of
/// column i. AMX reads the words of a column one after the other, `stride` columns apart, other sets those of a step.
INLINE void pair_left(const uint16_t *x, ptrdiff_t x_stride, int rows, int columns, uint32_t *pairs, ptrdiff_t stride) {
#ifdef HAS_AMX
    for (int column = 0; column < columns; column += 16)
        for (int row = 0; row < rows; row += 32) {
            word_lanes words[16];
            for (int i = 0; i < 16; ++i) {
                const uint16_t *first = x + (row + 2 * i) * x_stride + column;
                const int count = columns - column, left = rows - row - 2 * i;
                words[i] = pairs_of_halves(
                    load_some_halves(first, left > 0 ? count : 0), load_some_halves(first + x_stride, left > 1 ? count : 0));
            }
            transpose_square(words);
            for (int i = 0; i < 16; ++i) store_words(pairs + (column + i) * stride + row / 2, words[i]);
        }
#else
    pair_rows(x, x_stride, rows, columns, pairs, stride);
#endif
}

/// The stride of `pair_left`, and the factor A from its column `first` on.
INLINE ptrdiff_t left_stride(int rows, int columns) {
#ifdef HAS_AMX
    return up_to_16((rows + 1) / 2);
#else
    return up_to_16(columns);
#endif
}

INLINE factors left_factor(const uint32_t *pairs, ptrdiff_t stride, int first, const uint32_t *b, ptrdiff_t b_step, int steps) {
#ifdef HAS_AMX
    return (factors){pairs + first * stride, 4 * stride, 4, b, b_step, steps, false};
#else
    return (factors){pairs + first, 4, 4 * stride, b, b_step, steps, false};
#endif
}

/// C (m, n) += A B for a block of rows of A. Meanwhile the columns of the next panel are fetched or, during the last, those of the
/// first panel of the `depth_left` rows that follow B.
INLINE void add_chunk(
    crate_elements elements, factors f, const void *b, ptrdiff_t b_stride, int depth, int depth_left, int m, int n, float *c,
    ptrdiff_t c_stride, uint32_t *panel) {
    f.b = panel;
    for (int column = 0, width; column < n; column += width) {
        const int left = n - column;
        width = 16 * vectors_from(column, n);
        const uint32_t *source = at(elements, b, column);
        if (elements == crate_bfloat16) {
            pair_rows((const uint16_t *)source, b_stride, depth, left < width ? left : width, panel, width);
        } else {
            for (int k = 0; k < depth; ++k)
                for (int j = 0; j < width; j += 16)
                    store((float *)panel + k * width + j, load_factor(elements, source, k * b_stride + j, left - j));
        }
        f.b_step = width;
        const bool is_last = left <= width;
        const void *following = is_last ? at(elements, b, depth * b_stride) : at(elements, source, width);
        const int following_rows = !is_last ? depth : depth_left < depth ? depth_left : depth;
        upcoming next = upcoming_rows(
            following, b_stride * size_of(elements), following_rows, width * size_of(elements), tiles_of(m, width));
        multiply_tiles(
            elements, &f, 1, m,
            (destination){c + column, c_stride, left < width ? left : width, crate_float32, {c + column, NULL, 0}}, &next);
    }
}

INLINE void add_product(
    crate_elements elements, const void *a, ptrdiff_t a_stride, const bool is_transposed, const void *b, ptrdiff_t b_stride,
    int part, int depth, int m, int n, float *c, ptrdiff_t c_stride, float *scratch) {
    uint32_t *panel = (uint32_t *)scratch, *pairs = panel + chunk_steps * tile_columns;
    const int chunk = elements == crate_bfloat16 ? 2 * chunk_pairs : chunk_steps;
    for (int first = 0, height; first < depth; first += height) {
        const int end = first / part * part + part;  // of the part to which `first` belongs
        height = (end < depth ? end : depth) - first;
        if (height > chunk) height = chunk;
        const int left = depth - first - height;
        const void *rows = at(elements, b, first * b_stride);
        if (elements != crate_bfloat16) {
            const factors f = {
                at(elements, a, first * (is_transposed ? a_stride : 1)), is_transposed ? 4 : 4 * a_stride,
                is_transposed ? 4 * a_stride : 4, NULL, 0, height, false};
            add_chunk(elements, f, rows, b_stride, height, left, m, n, c, c_stride, panel);
            continue;
        }
        for (int top = 0; top < m; top += block_columns) {
            const int width = m - top < block_columns ? m - top : block_columns;
            const ptrdiff_t stride = left_stride(height, width);
            pair_left((const uint16_t *)a + first * a_stride + top, a_stride, height, width, pairs, stride);
            const factors f = left_factor(pairs, stride, 0, NULL, 0, (height + 1) / 2);
            add_chunk(elements, f, rows, b_stride, height, left, width, n, c + top * c_stride, c_stride, panel);
        }
    }
}
