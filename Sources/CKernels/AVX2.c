// 16 registers of 8 floats: tiles of 6 x 16 are 12 sums, which leaves 2 for a line of B and 1 for an element of A.
#if defined(__x86_64__)
#pragma clang diagnostic ignored "-Wpsabi"
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define KERNEL_SET crate_avx2_kernels
#define KERNEL_NAME "avx2"
#define TILE_VECTORS 1
#include "KernelSet.h"
#pragma clang attribute pop
#endif
