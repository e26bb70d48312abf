// As AVX512.c, and pairs of bf16 besides.
#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma"))), apply_to = function)
#define KERNEL_SET crate_avx512_bf16_kernels
#define KERNEL_NAME "avx512_bf16"
#define TILE_VECTORS 4
#define HAS_MASKS
#define HAS_BF16_PRODUCTS
#include "KernelSet.h"
#pragma clang attribute pop
#endif
