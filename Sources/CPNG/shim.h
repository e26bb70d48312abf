// Why a shim: png.h reports errors of its full interface by longjmp, which must not cross Swift frames.
// The simplified interface (png_image_*), which this project uses, returns its errors.
#pragma once
#include <png.h>
