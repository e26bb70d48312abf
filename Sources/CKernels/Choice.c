#include "include/CKernels.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

extern const crate_kernels crate_portable_kernels;

#if defined(__x86_64__)
extern const crate_kernels crate_avx2_kernels, crate_avx512_kernels, crate_avx512_bf16_kernels;

/// From the fastest to the slowest.
static const crate_kernels *const sets[] = {
    &crate_avx512_bf16_kernels, &crate_avx512_kernels, &crate_avx2_kernels, &crate_portable_kernels};

static bool runs(const crate_kernels *set) {
    if (set == &crate_portable_kernels) return true;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
    if (set == &crate_avx2_kernels) return true;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return false;
    return set == &crate_avx512_kernels || __builtin_cpu_supports("avx512bf16");
}
#else
static const crate_kernels *const sets[] = {&crate_portable_kernels};

static bool runs(const crate_kernels *set) { return true; }
#endif

const crate_kernels *crate_kernels_for(const char *name) {
    for (size_t i = 0; i < sizeof sets / sizeof *sets; ++i)
        if (runs(sets[i]) && (!name || strcmp(name, sets[i]->name) == 0)) return sets[i];
    return NULL;
}

void crate_flush_denormals(void) {
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);  // FTZ and DAZ
#endif
}

size_t crate_head_scratch_count(int tokens, int head_dim) {
    const size_t extent = ((size_t)tokens + 15) / 16 * 16, width = ((size_t)head_dim + 15) / 16 * 16;
    return 3 * extent * width + 24 * width + 2 * extent * extent;
}
