#include "CBuildFacts.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *const crate_build_processor = TEXT(CRATE_PROCESSOR);

// The text of a defined macro is 1, that of an undefined one its name.
#define IS_DEFINED(macro) (sizeof TEXT(macro) == sizeof "1")
#define FEATURE_OF(macro, name, leaf, register_, bit, states) {name, IS_DEFINED(macro), crate_leaf_##leaf, crate_##register_, bit, states}
#define FEATURE(name, ...) FEATURE_OF(__##name##__, #name, __VA_ARGS__)

enum { none = 0, ymm = 0x6, zmm = 0xe6, apx = 0x80000 };

// Every set whose instructions the compiler may choose. Not here is what it never chooses by itself, and what virtual machines often
// hide: hints, instructions of operating systems and devices, and AMX, for which CKernels asks the processor.
static const crate_feature features[] = {
    FEATURE(SSE3, 1, ecx, 0, none),
    FEATURE(PCLMUL, 1, ecx, 1, none),
    FEATURE(SSSE3, 1, ecx, 9, none),
    FEATURE(FMA, 1, ecx, 12, ymm),
    FEATURE_OF(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16, "CX16", 1, ecx, 13, none),
    FEATURE(SSE4_1, 1, ecx, 19, none),
    FEATURE(SSE4_2, 1, ecx, 20, none),
    FEATURE(CRC32, 1, ecx, 20, none),
    FEATURE(MOVBE, 1, ecx, 22, none),
    FEATURE(POPCNT, 1, ecx, 23, none),
    FEATURE(AES, 1, ecx, 25, none),
    FEATURE(AVX, 1, ecx, 28, ymm),
    FEATURE(F16C, 1, ecx, 29, ymm),
    FEATURE(LAHF_SAHF, 80000001, ecx, 0, none),
    FEATURE(LZCNT, 80000001, ecx, 5, none),
    FEATURE(SSE4A, 80000001, ecx, 6, none),
    FEATURE(XOP, 80000001, ecx, 11, ymm),
    FEATURE(FMA4, 80000001, ecx, 16, ymm),
    FEATURE(TBM, 80000001, ecx, 21, none),
    FEATURE(BMI, 7, ebx, 3, none),
    FEATURE(AVX2, 7, ebx, 5, ymm),
    FEATURE(BMI2, 7, ebx, 8, none),
    FEATURE(AVX512F, 7, ebx, 16, zmm),
    FEATURE(AVX512DQ, 7, ebx, 17, zmm),
    FEATURE(ADX, 7, ebx, 19, none),
    FEATURE(AVX512IFMA, 7, ebx, 21, zmm),
    FEATURE(AVX512CD, 7, ebx, 28, zmm),
    FEATURE(SHA, 7, ebx, 29, none),
    FEATURE(AVX512BW, 7, ebx, 30, zmm),
    FEATURE(AVX512VL, 7, ebx, 31, zmm),
    FEATURE(AVX512VBMI, 7, ecx, 1, zmm),
    FEATURE(AVX512VBMI2, 7, ecx, 6, zmm),
    FEATURE(GFNI, 7, ecx, 8, none),
    FEATURE(VAES, 7, ecx, 9, ymm),
    FEATURE(VPCLMULQDQ, 7, ecx, 10, ymm),
    FEATURE(AVX512VNNI, 7, ecx, 11, zmm),
    FEATURE(AVX512BITALG, 7, ecx, 12, zmm),
    FEATURE(AVX512VPOPCNTDQ, 7, ecx, 14, zmm),
    FEATURE(AVX512VP2INTERSECT, 7, edx, 8, zmm),
    FEATURE(AVX512FP16, 7, edx, 23, zmm),
    FEATURE(SHA512, 7_1, eax, 0, ymm),
    FEATURE(SM3, 7_1, eax, 1, ymm),
    FEATURE(SM4, 7_1, eax, 2, ymm),
    FEATURE(AVXVNNI, 7_1, eax, 4, ymm),
    FEATURE(AVX512BF16, 7_1, eax, 5, zmm),
    FEATURE(CMPCCXADD, 7_1, eax, 7, none),
    FEATURE(AVXIFMA, 7_1, eax, 23, ymm),
    FEATURE(AVXVNNIINT8, 7_1, edx, 4, ymm),
    FEATURE(AVXNECONVERT, 7_1, edx, 5, ymm),
    FEATURE(AVXVNNIINT16, 7_1, edx, 10, ymm),
    FEATURE(AVX10_1, 24, ebx, 1, zmm),
    FEATURE(AVX10_2, 24, ebx, 2, zmm),
    // APX has a macro for each of its parts.
    FEATURE(APX_F, 7_1, edx, 21, apx),
    FEATURE(EGPR, 7_1, edx, 21, apx),
};

const crate_feature *const crate_features = features;
const int crate_feature_count = sizeof features / sizeof *features;
