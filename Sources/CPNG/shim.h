// Why a shim: png.h reports errors of its full interface by longjmp, which must not cross Swift frames. The simplified interface
// (png_image_*) returns its errors, but converts by the gamma that a file names, and scales 16 bits where others cut them.
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

static inline void crate_png_read_rgb_rows(png_structp png, png_infop info, uint32_t width, uint32_t height, uint8_t *pixels) {
    // Colour profiles, texts and the like, which may be large.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_chunk_malloc_max(png, 1 << 20);
    png_read_info(png, info);
    if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height)
        png_error(png, "the header contradicts itself");
    int kind = png_get_color_type(png, info);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_palette_to_rgb(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    if (kind == PNG_COLOR_TYPE_GRAY) png_set_scale_16(png);
    else png_set_strip_16(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row_bytes = 3 * (size_t)width;
    if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "the rows are not of RGB");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t row = 0; row < height; row++) png_read_row(png, pixels + row * row_bytes, NULL);
}

/// Reads a PNG of any kind as RGB of 8 bits, without alpha and whatever gamma it names, as Pillow does: of 16 bits the upper 8, but of
/// grey without alpha, which Pillow cuts off at 255, the nearest value of 8 bits. 0 after a problem.
static inline int crate_png_read_rgb(struct crate_png_file *file, uint32_t width, uint32_t height, uint8_t *pixels) {
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
    crate_png_read_rgb_rows(png, info, width, height, pixels);
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
}
