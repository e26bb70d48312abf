// The product of which all others are made: a tile of C, up to 6 rows of up to TILE_VECTORS x 16 columns, summed in
// registers. An element has one accumulator, to which its products are added one after the other in ascending order, so its
// bits depend on its row of A and its column of B alone. Threads divide rows and columns, never a sum: sums of parts would
// have other bits than the whole. Only `add_product` cuts a long sum, after a fixed number of steps.
#pragma once
#include "Elements.h"

enum { tile_rows = 6, tile_columns = 16 * TILE_VECTORS };

/// A's word (i, k) is i * a_row + k * a_step bytes from a, B's word (k, j) is b[k * b_step + j]. With `has_half`, one step
/// follows of which A has only the first bf16.
typedef struct {
    const void *a;
    ptrdiff_t a_row, a_step;
    const uint32_t *b;
    ptrdiff_t b_step;
    ptrdiff_t steps;
    bool has_half;
} factors;

/// sum + a * b: one product, or the two of a pair.
INLINE lanes add_step(const bool is_bf16, uint32_t a, word_lanes b, lanes sum) {
#ifdef HAS_BF16_PRODUCTS
    if (is_bf16) return (lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
#endif
    float x;
    memcpy(&x, &a, sizeof x);
    return fused(splat(x), (lanes)b, sum);
}

/// The next step of all sums, of which `bytes` of A's words exist.
INLINE void add_line(
    lanes (*sum)[TILE_VECTORS], const int rows, const int vectors, const bool is_bf16, const char *a, ptrdiff_t a_row,
    const uint32_t *b, const size_t bytes) {
    word_lanes line[TILE_VECTORS];
    UNROLL for (int v = 0; v < vectors; ++v) line[v] = load_words(b + 16 * v);
    UNROLL for (int r = 0; r < rows; ++r) {
        uint32_t word = 0;
        memcpy(&word, a + r * a_row, bytes);
        UNROLL for (int v = 0; v < vectors; ++v) sum[r][v] = add_step(is_bf16, word, line[v], sum[r][v]);
    }
}

INLINE void add_factors(
    lanes (*sum)[TILE_VECTORS], const int rows, const int vectors, const bool is_bf16, const factors *f, ptrdiff_t row,
    ptrdiff_t column) {
    const ptrdiff_t a_row = f->a_row, a_step = f->a_step, b_step = f->b_step;
    const char *a = (const char *)f->a + row * a_row;
    const uint32_t *b = f->b + column;
    for (ptrdiff_t k = f->steps; k > 0; --k) {
        add_line(sum, rows, vectors, is_bf16, a, a_row, b, 4);
        a += a_step;
        b += b_step;
    }
    if (is_bf16 && f->has_half) add_line(sum, rows, vectors, is_bf16, a, a_row, b, 2);
}

/// `repetitions` steps of a whole tile without any memory, which is as fast as the processor multiplies and adds.
INLINE double exercise(crate_elements elements, long repetitions) {
    const bool is_bf16 = elements == crate_bfloat16;
    lanes sum[tile_rows][TILE_VECTORS] = {0};
    word_lanes b = (word_lanes)splat(0.5f);
    for (long k = 0; k < repetitions; ++k) {
        UNROLL for (int r = 0; r < tile_rows; ++r)
            UNROLL for (int v = 0; v < TILE_VECTORS; ++v) sum[r][v] = add_step(is_bf16, 0x3F003F00, b, sum[r][v]);
        __asm__ volatile("" ::: "memory");
    }
    lanes total = splat(0);
    UNROLL for (int r = 0; r < tile_rows; ++r)
        UNROLL for (int v = 0; v < TILE_VECTORS; ++v) total += sum[r][v];
    // The sum is used, so that it must be computed; it is never negative.
    return sum_of_lanes(total) < 0 ? 0 : 2.0 * (is_bf16 ? 2 : 1) * tile_rows * tile_columns * (double)repetitions;
}

/// Where a tile goes, in which format, and what is added to it: of the result, `columns` exist. Only floats have addends.
typedef struct {
    void *c;
    ptrdiff_t stride;
    int columns;
    crate_elements elements;
    crate_addends addends;
} destination;

INLINE void store_sums(
    lanes (*sum)[TILE_VECTORS], const int rows, const int vectors, void *c, ptrdiff_t stride, const crate_elements elements,
    const float *matrix, const float *row, float sign, const int columns) {
    UNROLL for (int v = 0; v < vectors; ++v) {
        const int count = columns - 16 * v;
        const lanes bias = row ? (lanes)load_some_words(row + 16 * v, count) * sign : splat(0);
        UNROLL for (int r = 0; r < rows; ++r) {
            const ptrdiff_t place = r * stride + 16 * v;
            lanes x = sum[r][v];
            if (matrix && row) x += (lanes)load_some_words(matrix + place, count) + bias;
            else if (matrix) x += (lanes)load_some_words(matrix + place, count);
            else if (row) x += bias;
            store_factor(elements, c, place, x, count);
        }
    }
}

INLINE void store_tile(
    lanes (*sum)[TILE_VECTORS], const int rows, const int vectors, const destination *to, ptrdiff_t row, ptrdiff_t column) {
    const ptrdiff_t corner = row * to->stride + column, stride = to->stride;
    const int columns = to->columns - (int)column, whole = 16 * vectors;
    const float *matrix = to->addends.matrix ? to->addends.matrix + corner : NULL;
    const float *line = to->addends.row ? to->addends.row + column : NULL;
    const float sign = to->addends.sign;
    void *c = at(to->elements, to->c, corner);
    // The usual cases once more, without conditions in the loops.
    if (columns < whole) store_sums(sum, rows, vectors, c, stride, to->elements, matrix, line, sign, columns);
    else if (matrix && !line) store_sums(sum, rows, vectors, c, stride, crate_float32, matrix, NULL, 0, whole);
    else if (matrix || line) store_sums(sum, rows, vectors, c, stride, crate_float32, matrix, line, sign, whole);
    else if (to->elements == crate_float32) store_sums(sum, rows, vectors, c, stride, crate_float32, NULL, NULL, 0, whole);
    else store_sums(sum, rows, vectors, c, stride, to->elements, NULL, NULL, 0, whole);
}

/// C = A B, or A B + A' B'.
typedef void (*tile_function)(const factors *f, int count, ptrdiff_t row, ptrdiff_t column, const destination *to);

#define TILE(name, is_bf16, rows, vectors)                                                              \
    static void name##_##rows##x##vectors(                                                              \
        const factors *f, int count, ptrdiff_t row, ptrdiff_t column, const destination *to) {          \
        lanes sum[rows][TILE_VECTORS] = {0};                                                            \
        for (int i = 0; i < count; ++i) add_factors(sum, rows, vectors, is_bf16, f + i, row, column);   \
        store_tile(sum, rows, vectors, to, row, column);                                                \
    }
#define TILES(name, is_bf16, vectors)                                                                   \
    TILE(name, is_bf16, 1, vectors)                                                                     \
    TILE(name, is_bf16, 2, vectors)                                                                     \
    TILE(name, is_bf16, 3, vectors)                                                                     \
    TILE(name, is_bf16, 4, vectors)                                                                     \
    TILE(name, is_bf16, 5, vectors)                                                                     \
    TILE(name, is_bf16, 6, vectors)
#define TILE_NAMES(name, vectors)                                                                       \
    {name##_1x##vectors, name##_2x##vectors, name##_3x##vectors,                                        \
     name##_4x##vectors, name##_5x##vectors, name##_6x##vectors}

TILES(fp32_tile, false, 1)
#if TILE_VECTORS == 4
TILES(fp32_tile, false, 2)
TILES(fp32_tile, false, 3)
TILES(fp32_tile, false, 4)
static const tile_function fp32_tiles[4][6] = {
    TILE_NAMES(fp32_tile, 1), TILE_NAMES(fp32_tile, 2), TILE_NAMES(fp32_tile, 3), TILE_NAMES(fp32_tile, 4)};
#else
static const tile_function fp32_tiles[1][6] = {TILE_NAMES(fp32_tile, 1)};
#endif
#ifdef HAS_BF16_PRODUCTS
TILES(bf16_tile, true, 1)
TILES(bf16_tile, true, 2)
TILES(bf16_tile, true, 3)
TILES(bf16_tile, true, 4)
static const tile_function bf16_tiles[4][6] = {
    TILE_NAMES(bf16_tile, 1), TILE_NAMES(bf16_tile, 2), TILE_NAMES(bf16_tile, 3), TILE_NAMES(bf16_tile, 4)};
#endif

INLINE tile_function tile_of(crate_elements elements, int rows, int vectors) {
#ifdef HAS_BF16_PRODUCTS
    if (elements == crate_bfloat16) return bf16_tiles[vectors - 1][rows - 1];
#endif
    return fp32_tiles[vectors - 1][rows - 1];
}

/// The columns from `column` on that a tile computes, in vectors: the columns are divided evenly, since a narrow tile has too
/// few sums to keep a processor busy.
INLINE int vectors_from(int column, int columns) {
    const int vectors = (columns - column + 15) / 16, tiles = (vectors + TILE_VECTORS - 1) / TILE_VECTORS;
    return (vectors + tiles - 1) / tiles;
}

/// Rows of memory that are read after a product. They are fetched into the L2 cache while it computes, `rows_a_tile` at a time,
/// where they are too far apart for the processor to foresee, or were written too long ago.
typedef struct {
    const char *row;
    ptrdiff_t stride;  // in bytes
    int rows, bytes, rows_a_tile;
} upcoming;

INLINE int tiles_of(int rows, int columns) {
    return (rows + tile_rows - 1) / tile_rows * ((columns + tile_columns - 1) / tile_columns);
}

/// To be fetched during `tiles` tiles.
INLINE upcoming upcoming_rows(const void *row, ptrdiff_t stride, int rows, ptrdiff_t bytes, int tiles) {
    return (upcoming){row, stride, rows, (int)bytes, tiles > 0 ? (rows + tiles - 1) / tiles : 0};
}

INLINE void fetch(upcoming *next) {
    for (int i = 0; i < next->rows_a_tile && next->rows > 0; ++i, --next->rows, next->row += next->stride)
        for (int offset = 0; offset < next->bytes; offset += 64) __builtin_prefetch(next->row + offset, 0, 2);
}

#ifdef HAS_AMX
#include "AMX.h"
#endif

/// C (rows, columns of `to`) = A B, or A B + A' B', where rows of B are whole vectors. A tile's columns of B stay in the
/// cache for all rows.
INLINE void multiply_tiles(
    crate_elements elements, const factors *f, const int count, int rows, destination to, upcoming *next) {
#ifdef HAS_AMX
    if (elements == crate_bfloat16) {
        multiply_amx(f, count, rows, to, next);
        return;
    }
#endif
    for (int column = 0, vectors; column < to.columns; column += 16 * vectors) {
        vectors = vectors_from(column, to.columns);
        for (int row = 0; row < rows; row += tile_rows) {
            fetch(next);
            tile_of(elements, rows - row < tile_rows ? rows - row : tile_rows, vectors)(f, count, row, column, &to);
        }
    }
}
