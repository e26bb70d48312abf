// Why a shim: only the C compiler's macros know which processor it was told to compile for, and only its builtins ask the
// one that runs the program.
#pragma once

#define CRATE_TEXT_OF(x) #x
#define CRATE_TEXT(x) CRATE_TEXT_OF(x)

/// The name that the program was compiled for; Package.swift says it.
static inline const char *crate_build_processor(void) {
#ifdef CRATE_PROCESSOR
    return CRATE_TEXT(CRATE_PROCESSOR);
#else
    return "unknown";
#endif
}

/// A set of instructions: its name, whether the program may use it, and whether this processor has it.
typedef struct {
    const char *name;
    int is_used, is_there;
} crate_instruction_set;

#ifdef __AVX2__
#define CRATE_USES_AVX2 1
#else
#define CRATE_USES_AVX2 0
#endif
#ifdef __FMA__
#define CRATE_USES_FMA 1
#else
#define CRATE_USES_FMA 0
#endif
#ifdef __AVX512F__
#define CRATE_USES_AVX512F 1
#else
#define CRATE_USES_AVX512F 0
#endif
#ifdef __AVX512VL__
#define CRATE_USES_AVX512VL 1
#else
#define CRATE_USES_AVX512VL 0
#endif
#ifdef __AVX512BF16__
#define CRATE_USES_AVX512BF16 1
#else
#define CRATE_USES_AVX512BF16 0
#endif

enum { crate_instruction_sets = 5 };

/// Set `index` of those that matter here, from narrow to wide; on processors of other makers none is there or used.
static inline crate_instruction_set crate_instruction_set_at(int index) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    switch (index) {
    case 0: return (crate_instruction_set){"avx2", CRATE_USES_AVX2, __builtin_cpu_supports("avx2") != 0};
    case 1: return (crate_instruction_set){"fma", CRATE_USES_FMA, __builtin_cpu_supports("fma") != 0};
    case 2: return (crate_instruction_set){"avx512f", CRATE_USES_AVX512F, __builtin_cpu_supports("avx512f") != 0};
    case 3: return (crate_instruction_set){"avx512vl", CRATE_USES_AVX512VL, __builtin_cpu_supports("avx512vl") != 0};
    default:
        return (crate_instruction_set){
            "avx512bf16", CRATE_USES_AVX512BF16, __builtin_cpu_supports("avx512bf16") != 0};
    }
#else
    (void)index;
    return (crate_instruction_set){"none", 0, 0};
#endif
}
