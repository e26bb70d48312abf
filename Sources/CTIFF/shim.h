// Why a shim: Swift can neither call libtiff's variadic functions nor be called by its handlers, which get a va_list. libtiff's own
// handlers print on stderr.
#pragma once
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

/// A file in memory, the first problem that libtiff reported of it, and whether its data end early, which is only a warning to libtiff.
struct crate_tiff_file {
    const uint8_t *bytes;
    uint64_t count, position;
    char problem[200];
    int ends_early;
};

static inline tmsize_t crate_tiff_read(thandle_t handle, void *target, tmsize_t count) {
    struct crate_tiff_file *file = (struct crate_tiff_file *)handle;
    if (count < 0 || file->position >= file->count) return 0;
    uint64_t left = file->count - file->position;
    uint64_t taken = (uint64_t)count < left ? (uint64_t)count : left;
    memcpy(target, file->bytes + file->position, taken);
    file->position += taken;
    return (tmsize_t)taken;
}

static inline tmsize_t crate_tiff_write(thandle_t handle, void *source, tmsize_t count) {
    (void)handle, (void)source, (void)count;
    return 0;
}

static inline toff_t crate_tiff_seek(thandle_t handle, toff_t offset, int whence) {
    struct crate_tiff_file *file = (struct crate_tiff_file *)handle;
    if (whence == SEEK_CUR) offset += file->position;
    if (whence == SEEK_END) offset += file->count;
    return file->position = offset;
}

static inline int crate_tiff_close(thandle_t handle) { return (void)handle, 0; }

static inline toff_t crate_tiff_size(thandle_t handle) { return ((struct crate_tiff_file *)handle)->count; }

// With it libtiff decodes from the bytes themselves, without a copy of each strip.
static inline int crate_tiff_map(thandle_t handle, void **base, toff_t *size) {
    struct crate_tiff_file *file = (struct crate_tiff_file *)handle;
    *base = (void *)file->bytes;
    *size = file->count;
    return 1;
}

static inline void crate_tiff_unmap(thandle_t handle, void *base, toff_t size) { (void)handle, (void)base, (void)size; }

static inline int crate_tiff_error(TIFF *tiff, void *data, const char *module, const char *format, va_list values) {
    (void)tiff, (void)module;
    struct crate_tiff_file *file = (struct crate_tiff_file *)data;
    if (!file->problem[0]) vsnprintf(file->problem, sizeof file->problem, format, values);
    return 1;
}

static inline int crate_tiff_warning(TIFF *tiff, void *data, const char *module, const char *format, va_list values) {
    (void)tiff, (void)module;
    char text[64];
    vsnprintf(text, sizeof text, format, values);
    // Of JPEG and of fax.
    if (!strncmp(text, "Premature end", 13) || !strncmp(text, "Premature EOF", 13)) ((struct crate_tiff_file *)data)->ends_early = 1;
    return 1;
}

/// Opens `file` and reads its first directory; no allocation of libtiff is larger than `most` bytes. NULL after a problem.
static inline TIFF *crate_tiff_open(struct crate_tiff_file *file, tmsize_t most) {
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, most);
    TIFFOpenOptionsSetErrorHandlerExtR(options, crate_tiff_error, file);
    TIFFOpenOptionsSetWarningHandlerExtR(options, crate_tiff_warning, file);
    // c: strips stay as they are; libtiff would divide a large one, with memory for each row.
    TIFF *tiff = TIFFClientOpenExt(
        "", "rc", (thandle_t)file, crate_tiff_read, crate_tiff_write, crate_tiff_seek, crate_tiff_close, crate_tiff_size,
        crate_tiff_map, crate_tiff_unmap, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/// The value of a tag of 16 bits, or its default.
static inline uint16_t crate_tiff_short(TIFF *tiff, uint32_t tag) {
    uint16_t value = 0;
    TIFFGetFieldDefaulted(tiff, tag, &value);
    return value;
}

/// The value of a tag of 32 bits; 0 without it.
static inline uint32_t crate_tiff_long(TIFF *tiff, uint32_t tag) {
    uint32_t value = 0;
    TIFFGetField(tiff, tag, &value);
    return value;
}

/// The kind of the first sample beyond the colours; 0 without it.
static inline uint16_t crate_tiff_extra_sample(TIFF *tiff) {
    uint16_t count = 0, *kinds = NULL;
    return TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) && count > 0 ? kinds[0] : 0;
}

/// The palette's channel 0, 1 or 2, of one value for each index; NULL without a palette.
static inline const uint16_t *crate_tiff_palette(TIFF *tiff, int channel) {
    uint16_t *channels[3] = {NULL, NULL, NULL};
    TIFFGetField(tiff, TIFFTAG_COLORMAP, &channels[0], &channels[1], &channels[2]);
    return channels[channel];
}

/// Lets the JPEG library convert YCbCr to RGB.
static inline int crate_tiff_request_rgb(TIFF *tiff) {
    return TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
}
