// Why a shim: the module map needs one header to name, and Swift does not see the strings of macros.
#pragma once
#include <gif_lib.h>

static inline int crate_gif_version(int part) {
    const int parts[] = {GIFLIB_MAJOR, GIFLIB_MINOR, GIFLIB_RELEASE};
    return parts[part];
}
