// Why a shim: the module map needs one header to name. Only crc32 is used.
#pragma once
#include <zlib.h>
