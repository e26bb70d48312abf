// Why a shim: the module map needs one header to name. Checksums, and deflated members of archives.
#pragma once
#include <zlib.h>
