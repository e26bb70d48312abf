// As AVX512BF16.c, with products of bf16 in the tile registers of AMX.
#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma,amx-tile,amx-bf16"))), apply_to = function)
#define KERNEL_SET crate_amx_kernels
#define KERNEL_NAME "amx"
#define TILE_VECTORS 4
#define HAS_MASKS
#define HAS_BF16_PRODUCTS
#define HAS_AMX
#include "KernelSet.h"
#pragma clang attribute pop
#endif
