#include "include/CKernels.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

extern const crate_kernels crate_portable_kernels;

#if defined(__x86_64__)
extern const crate_kernels crate_avx2_kernels, crate_avx512_kernels, crate_avx512_bf16_kernels, crate_amx_kernels;

/// From the fastest to the slowest.
static const crate_kernels *const sets[] = {
    &crate_amx_kernels, &crate_avx512_bf16_kernels, &crate_avx512_kernels, &crate_avx2_kernels, &crate_portable_kernels};

/// Whether the processor has AMX with bf16, and Linux lets this process use its registers.
__attribute__((target("xsave"))) static bool has_amx(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & 1u << 22) || !(d & 1u << 24)) return false;
    enum { tile_state = 3 << 17, request_permission = 0x1023, tile_data = 18 };
    return (_xgetbv(0) & tile_state) == tile_state && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

static bool runs(const crate_kernels *set) {
    if (set == &crate_portable_kernels) return true;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
    if (set == &crate_avx2_kernels) return true;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return false;
    if (set == &crate_avx512_kernels) return true;
    if (!__builtin_cpu_supports("avx512bf16")) return false;
    return set == &crate_avx512_bf16_kernels || has_amx();
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
    return 3 * extent * width + 32 * width + 2 * extent * extent + 8 * extent;
}
