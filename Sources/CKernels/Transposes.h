#pragma once
#include "Elements.h"

#define SHUFFLE __builtin_shufflevector

/// Transposes 16 x 16 words in registers: in pairs of words, in fours, then by quarters and halves of a row.
INLINE void transpose_square(word_lanes *x) {
    word_lanes y[16];
    UNROLL for (int i = 0; i < 16; i += 2) {
        y[i] = SHUFFLE(x[i], x[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        y[i + 1] = SHUFFLE(x[i], x[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
    UNROLL for (int i = 0; i < 16; i += 4)
        UNROLL for (int j = 0; j < 2; ++j) {
            x[i + 2 * j] = SHUFFLE(y[i + j], y[i + j + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
            x[i + 2 * j + 1] = SHUFFLE(y[i + j], y[i + j + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        }
    // Quarter q of x[4 g + c] now holds column 4 q + c of the rows 4 g ... 4 g + 3.
    UNROLL for (int c = 0; c < 4; ++c) {
        y[c] = SHUFFLE(x[c], x[4 + c], 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
        y[4 + c] = SHUFFLE(x[c], x[4 + c], 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
        y[8 + c] = SHUFFLE(x[8 + c], x[12 + c], 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
        y[12 + c] = SHUFFLE(x[8 + c], x[12 + c], 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    }
    UNROLL for (int c = 0; c < 4; ++c) {
        x[c] = SHUFFLE(y[c], y[8 + c], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
        x[4 + c] = SHUFFLE(y[c], y[8 + c], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
        x[8 + c] = SHUFFLE(y[4 + c], y[12 + c], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
        x[12 + c] = SHUFFLE(y[4 + c], y[12 + c], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    }
}

/// target (columns, `extent`) = the transpose of source (rows, columns), words; rows past the end are zero.
INLINE void transpose_words(
    const void *source, ptrdiff_t row_bytes, int rows, int columns, uint32_t *target, int extent) {
    for (int row = 0; row < extent; row += 16)
        for (int column = 0; column < columns; column += 16) {
            word_lanes x[16] = {0};
            const int height = rows - row < 16 ? rows - row : 16, width = columns - column < 16 ? columns - column : 16;
            const char *corner = (const char *)source + row * row_bytes + 4 * column;
            if (height == 16) {
                UNROLL for (int i = 0; i < 16; ++i) x[i] = load_some_words(corner + i * row_bytes, width);
            } else {
                for (int i = 0; i < height; ++i) x[i] = load_some_words(corner + i * row_bytes, width);
            }
            transpose_square(x);
            if (width == 16) {
                UNROLL for (int i = 0; i < 16; ++i) store_words(target + (column + i) * extent + row, x[i]);
            } else {
                for (int i = 0; i < width; ++i) store_words(target + (column + i) * extent + row, x[i]);
            }
        }
}

/// G = S + S^T, both (E, E), in the format of factors; `gradient` is `scores` itself unless that is bf16.
INLINE void symmetrise(crate_elements elements, const float *scores, void *gradient, int extent) {
    for (int row = 0; row < extent; row += 16)
        for (int column = row; column < extent; column += 16) {
            word_lanes x[16];
            UNROLL for (int i = 0; i < 16; ++i) x[i] = (word_lanes)load(scores + (column + i) * extent + row);
            transpose_square(x);
            UNROLL for (int i = 0; i < 16; ++i) x[i] = (word_lanes)(load(scores + (row + i) * extent + column) + (lanes)x[i]);
            UNROLL for (int i = 0; i < 16; ++i) store_factor(elements, gradient, (row + i) * extent + column, (lanes)x[i], 16);
            if (row == column) continue;
            transpose_square(x);
            UNROLL for (int i = 0; i < 16; ++i) store_factor(elements, gradient, (column + i) * extent + row, (lanes)x[i], 16);
        }
}
