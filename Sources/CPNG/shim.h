// Why a shim: png.h reports errors of its full interface by longjmp, which must not cross Swift frames. The simplified interface
// (png_image_*) returns its errors, but has 16 bits in linear light alone; crate_png_read reads them as they are, with the full one.
#pragma once
#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

/// A file in memory, and the problem that libpng reported of it.
struct crate_png_file {
    const uint8_t *bytes;
    size_t count, position;
    char problem[100];
};

static inline void crate_png_error(png_structp png, png_const_charp text) {
    struct crate_png_file *file = (struct crate_png_file *)png_get_error_ptr(png);
    strncpy(file->problem, text, sizeof file->problem - 1);
    png_longjmp(png, 1);
}

static inline void crate_png_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static inline void crate_png_take(png_structp png, png_bytep target, size_t count) {
    struct crate_png_file *file = (struct crate_png_file *)png_get_io_ptr(png);
    if (count > file->count - file->position) png_error(png, "read beyond end of data");
    memcpy(target, file->bytes + file->position, count);
    file->position += count;
}

static inline void crate_png_read_rows(
    png_structp png, png_infop info, int keeps_alpha, int bits, size_t row_bytes, uint32_t height, uint8_t *pixels) {
    // Colour profiles, texts and the like, which may be large.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_chunk_malloc_max(png, 1 << 20);
    png_read_info(png, info);
    if (!keeps_alpha) png_set_strip_alpha(png);
    if (png_get_bit_depth(png, info) == 16) {
        if (bits == 8) png_set_scale_16(png);
        else png_set_swap(png);
    }
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != row_bytes || png_get_image_height(png, info) != height)
        png_error(png, "the header contradicts itself");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t row = 0; row < height; row++) png_read_row(png, pixels + row * row_bytes, NULL);
}

/// Reads values of 8 or 16 bits of a PNG without a palette, little-endian and without any conversion of gamma, to `height` rows of
/// `row_bytes` bytes. 0 after a problem.
static inline int crate_png_read(
    struct crate_png_file *file, int keeps_alpha, int bits, size_t row_bytes, uint32_t height, uint8_t *pixels) {
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, file, crate_png_error, crate_png_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return 0;
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        return 0;
    }
    png_set_read_fn(png, file, crate_png_take);
    crate_png_read_rows(png, info, keeps_alpha, bits, row_bytes, height, pixels);
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
}
