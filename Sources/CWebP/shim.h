// Why a shim: the module map needs one header to name.
#pragma once
#include <webp/decode.h>
#include <webp/demux.h>
