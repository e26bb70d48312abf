// Why a shim: png.h reports errors of its full interface by longjmp, which must not cross Swift frames. The simplified interface
// (png_image_*) returns its errors, but converts by the gamma that a file names, scales 16 bits where others cut them, and has 16 bits in
// linear light alone.
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

/// What becomes of the values of a file.
struct crate_png_conversion {
    /// To RGB of 8 bits, as Pillow does: of 16 bits the upper 8, but of grey without alpha, which Pillow cuts off at 255, the nearest.
    int to_rgb;
    int keeps_alpha;
    /// 8 or 16.
    int bits;
};

static inline void crate_png_convert(png_structp png, png_infop info, struct crate_png_conversion conversion) {
    if (!conversion.keeps_alpha) png_set_strip_alpha(png);
    if (conversion.to_rgb) {
        png_set_expand_gray_1_2_4_to_8(png);
        png_set_palette_to_rgb(png);
        png_set_gray_to_rgb(png);
    }
    if (png_get_bit_depth(png, info) != 16) return;
    if (conversion.bits == 16) png_set_swap(png);
    else if (conversion.to_rgb && png_get_color_type(png, info) != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png);
    else png_set_scale_16(png);
}

static inline void crate_png_read_rows(
    png_structp png, png_infop info, struct crate_png_conversion conversion, size_t row_bytes, uint32_t height,
    uint8_t *pixels) {
    // Colour profiles, texts and the like, which may be large.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_chunk_malloc_max(png, 1 << 20);
    png_read_info(png, info);
    crate_png_convert(png, info, conversion);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != row_bytes || png_get_image_height(png, info) != height)
        png_error(png, "the header contradicts itself");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t row = 0; row < height; row++) png_read_row(png, pixels + row * row_bytes, NULL);
}

/// Reads a PNG to `height` rows of `row_bytes` bytes, values of 16 bits little-endian, whatever gamma the file names. 0 after a problem.
static inline int crate_png_read(
    struct crate_png_file *file, struct crate_png_conversion conversion, size_t row_bytes, uint32_t height,
    uint8_t *pixels) {
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
    crate_png_read_rows(png, info, conversion, row_bytes, height, pixels);
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
}
