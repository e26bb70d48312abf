// Why a shim: libjpeg reports errors by longjmp, which must not cross Swift frames. TurboJPEG, which does not, refuses headers with
// sampling factors that it has no name for, and tells the first of several warnings alone.
#pragma once
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/// Each scan costs a pass over the image, however few bytes it has: without a limit, a small file takes minutes.
enum { CRATE_JPEG_SCANS = 500 };

/// A decompressor that serves one image after the other.
struct crate_jpeg {
    struct jpeg_decompress_struct decompressor;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    /// The reason of the last failure.
    char problem[JMSG_LENGTH_MAX];
    /// Whether the data of the last image ended before its end marker, which is only a warning to the library.
    int ends_early;
};

static inline void crate_jpeg_fail(j_common_ptr library) {
    struct crate_jpeg *jpeg = (struct crate_jpeg *)library->client_data;
    library->err->format_message(library, jpeg->problem);
    longjmp(jpeg->failed, 1);
}

static inline void crate_jpeg_note(j_common_ptr library, int level) {
    // Other warnings are of extraneous bytes and the like; traces have a level from 0 up.
    if (level < 0 && library->err->msg_code == JWRN_JPEG_EOF) ((struct crate_jpeg *)library->client_data)->ends_early = 1;
}

static inline void crate_jpeg_watch(j_common_ptr library) {
    if (((j_decompress_ptr)library)->input_scan_number <= CRATE_JPEG_SCANS) return;
    struct crate_jpeg *jpeg = (struct crate_jpeg *)library->client_data;
    snprintf(jpeg->problem, sizeof jpeg->problem, "it has more than %d scans", CRATE_JPEG_SCANS);
    longjmp(jpeg->failed, 1);
}

/// NULL if memory is short.
static inline struct crate_jpeg *crate_jpeg_new(void) {
    struct crate_jpeg *jpeg = (struct crate_jpeg *)calloc(1, sizeof *jpeg);
    if (!jpeg) return NULL;
    jpeg->decompressor.err = jpeg_std_error(&jpeg->errors);
    jpeg->decompressor.client_data = jpeg;
    jpeg->errors.error_exit = crate_jpeg_fail;
    jpeg->errors.emit_message = crate_jpeg_note;
    if (setjmp(jpeg->failed)) {
        free(jpeg);
        return NULL;
    }
    jpeg_create_decompress(&jpeg->decompressor);
    jpeg->progress.progress_monitor = crate_jpeg_watch;
    jpeg->decompressor.progress = &jpeg->progress;
    return jpeg;
}

static inline void crate_jpeg_free(struct crate_jpeg *jpeg) {
    jpeg_destroy_decompress(&jpeg->decompressor);
    free(jpeg);
}

/// Reads the header of the `count` bytes of a file, which stay in use until its pixels are read. 0 after a problem.
static inline int crate_jpeg_read_header(struct crate_jpeg *jpeg, const uint8_t *bytes, size_t count) {
    jpeg->problem[0] = 0;
    jpeg->ends_early = 0;
    if (setjmp(jpeg->failed)) return 0;
    // What an image before this one has left.
    jpeg_abort_decompress(&jpeg->decompressor);
    jpeg_mem_src(&jpeg->decompressor, bytes, count);
    jpeg_read_header(&jpeg->decompressor, TRUE);
    return 1;
}

/// Whether the image of the header has four inks.
static inline int crate_jpeg_has_inks(const struct crate_jpeg *jpeg) {
    return jpeg->decompressor.jpeg_color_space == JCS_CMYK || jpeg->decompressor.jpeg_color_space == JCS_YCCK;
}

/// Reads the image to rows of RGB, or of four inks, with the library's accurate transforms, as far as there are data. 0 after a problem.
static inline int crate_jpeg_read_pixels(struct crate_jpeg *jpeg, uint8_t *pixels) {
    if (setjmp(jpeg->failed)) return 0;
    j_decompress_ptr library = &jpeg->decompressor;
    int inks = crate_jpeg_has_inks(jpeg);
    library->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(library);
    size_t row_bytes = (size_t)library->output_width * (inks ? 4 : 3);
    while (library->output_scanline < library->output_height) {
        JSAMPROW row = pixels + library->output_scanline * row_bytes;
        jpeg_read_scanlines(library, &row, 1);
    }
    jpeg_finish_decompress(library);
    return 1;
}
