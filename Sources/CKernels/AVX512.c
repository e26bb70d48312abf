// 32 registers of 16 floats: tiles of 6 x 64 are 24 sums, which leaves 4 for a line of B and 1 for an element of A.
#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#define KERNEL_SET crate_avx512_kernels
#define KERNEL_NAME "avx512"
#define TILE_VECTORS 4
#define HAS_MASKS
#include "KernelSet.h"
#pragma clang attribute pop
#endif
