// bf16 products in the tile registers of AMX: a block of 32 x 32 of C is summed in four of them, of 16 x 16 each. A step of a tile
// adds 16 pairs. An element still has one accumulator and takes its pairs in ascending order, but the even and the odd elements of
// the 16 pairs are added up first, so the bits are not those of AVX512_BF16.
#pragma once
#include "Tiles.h"

enum { amx_side = 16, amx_block = 32 };

/// What the processor is told about its tiles.
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} amx_shape;

/// C is in tiles 0 and 1 (`top` rows) and 2 and 3 (`bottom` rows, if any), A in 4 and 5, B in 6 and 7.
INLINE void set_shape(int top, int bottom) {
    amx_shape shape = {.palette = 1};
    for (int tile = 0; tile < 8; ++tile) {
        const bool is_lower = tile == 2 || tile == 3 || tile == 5;
        shape.row_bytes[tile] = 64;
        shape.rows[tile] = (uint8_t)(tile >= 6 ? amx_side : is_lower && bottom > 0 ? bottom : top);
    }
    _tile_loadconfig(&shape);
}

/// 16 steps of all four sums, or with one column of tiles (`is_narrow`) or without `bottom` of those that there are.
INLINE void add_tiles(const char *a, ptrdiff_t a_row, const uint32_t *b, ptrdiff_t b_row, bool bottom, bool is_narrow) {
    _tile_loadd(4, a, a_row);
    _tile_loadd(6, b, b_row);
    _tile_dpbf16ps(0, 4, 6);
    if (bottom) {
        _tile_loadd(5, a + amx_side * a_row, a_row);
        _tile_dpbf16ps(2, 5, 6);
    }
    if (is_narrow) return;
    _tile_loadd(7, b + amx_side, b_row);
    _tile_dpbf16ps(1, 4, 7);
    if (bottom) _tile_dpbf16ps(3, 5, 7);
}

/// The last steps, fewer than 16, on copies padded with zeros.
INLINE void add_last_tiles(
    const char *a, ptrdiff_t a_row, const uint32_t *b, ptrdiff_t b_step, int steps, bool has_half, int rows, bool bottom,
    bool is_narrow) {
    uint32_t left[amx_block][amx_side] = {0}, right[amx_side][amx_block] = {0};
    for (int row = 0; row < rows; ++row) memcpy(left[row], a + row * a_row, (size_t)(4 * steps + 2 * has_half));
    for (int k = 0; k < steps + has_half; ++k) memcpy(right[k], b + k * b_step, is_narrow ? 64 : 128);
    add_tiles((const char *)left, sizeof left[0], right[0], sizeof right[0], bottom, is_narrow);
}

INLINE void add_block(
    const factors *f, ptrdiff_t row, ptrdiff_t column, int rows, bool is_narrow) {
    const bool bottom = rows > amx_side;
    const char *a = (const char *)f->a + row * f->a_row;
    const uint32_t *b = f->b + column;
    ptrdiff_t k = 0;
    for (; k + amx_side <= f->steps; k += amx_side)
        add_tiles(a + 4 * k, f->a_row, b + k * f->b_step, 4 * f->b_step, bottom, is_narrow);
    if (k < f->steps || f->has_half)
        add_last_tiles(
            a + 4 * k, f->a_row, b + k * f->b_step, f->b_step, (int)(f->steps - k), f->has_half, rows, bottom, is_narrow);
}

/// A block of the result, from the sums in memory.
INLINE void store_block(
    float (*sums)[amx_block], int rows, int width, const destination *to, ptrdiff_t row, ptrdiff_t column) {
    const crate_addends *addends = &to->addends;
    for (int j = 0; j < width; j += 16) {
        const int count = to->columns - (int)column - j;
        const lanes bias = addends->row ? (lanes)load_some_words(addends->row + column + j, count) * addends->sign : splat(0);
        for (int i = 0; i < rows; ++i) {
            const ptrdiff_t place = (row + i) * to->stride + column + j;
            lanes x = load(sums[i] + j);
            if (addends->matrix) x += (lanes)load_some_words(addends->matrix + place, count) + bias;
            else x += bias;
            store_factor(to->elements, to->c, place, x, count);
        }
    }
}

/// `multiply_tiles` for bf16, where A's pairs of a row are consecutive (`a_step` is 4).
INLINE void multiply_amx(const factors *f, const int count, int rows, destination to, upcoming *next) {
    int shape = 0;
    for (int column = 0, width; column < to.columns; column += width) {
        width = up_to_16(to.columns - column) < amx_block ? amx_side : amx_block;
        for (int row = 0; row < rows; row += amx_block) {
            const int height = rows - row < amx_block ? rows - row : amx_block;
            const int top = height < amx_side ? height : amx_side, bottom = height - top;
            if (shape != height) set_shape(top, bottom);
            shape = height;
            // As many as tiles of 6 x 64 would.
            for (int i = 0; i < 3; ++i) fetch(next);
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (int i = 0; i < count; ++i) add_block(f + i, row, column, height, width == amx_side);
            float sums[amx_block][amx_block];
            _tile_stored(0, sums[0], sizeof sums[0]);
            _tile_stored(1, sums[0] + amx_side, sizeof sums[0]);
            if (bottom > 0) {
                _tile_stored(2, sums[amx_side], sizeof sums[0]);
                _tile_stored(3, sums[amx_side] + amx_side, sizeof sums[0]);
            }
            store_block(sums, height, width, &to, row, column);
        }
    }
    _tile_release();
}

/// See `exercise`.
INLINE double exercise_amx(long repetitions) {
    set_shape(amx_side, amx_side);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(6);
    for (long k = 0; k < repetitions; ++k) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 6);
        _tile_dpbf16ps(2, 4, 6);
        _tile_dpbf16ps(3, 4, 6);
    }
    _tile_release();
    return 2.0 * 2 * amx_side * amx_block * amx_block * (double)repetitions;
}
