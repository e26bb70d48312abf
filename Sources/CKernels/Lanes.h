// Sixteen floats, whatever the width of the processor's registers: the compiler divides them. The same operations in the
// same order for every instruction set, so the same bits.
#pragma once
#include "include/CKernels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

typedef float lanes __attribute__((vector_size(64)));
typedef int32_t int_lanes __attribute__((vector_size(64)));
typedef uint32_t word_lanes __attribute__((vector_size(64)));
typedef uint16_t half_lanes __attribute__((vector_size(32)));

INLINE lanes splat(float x) { return (lanes){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

INLINE lanes load(const float *source) {
    lanes x;
    memcpy(&x, source, sizeof x);
    return x;
}

INLINE void store(float *target, lanes x) { memcpy(target, &x, sizeof x); }

INLINE word_lanes load_words(const void *source) {
    word_lanes x;
    memcpy(&x, source, sizeof x);
    return x;
}

INLINE void store_words(uint32_t *target, word_lanes x) { memcpy(target, &x, sizeof x); }

#ifdef HAS_MASKS
INLINE __mmask16 mask_of(int count) { return (__mmask16)((1u << count) - 1); }
#endif

/// Up to 16 words; zero past the end.
INLINE word_lanes load_some_words(const void *source, int count) {
    if (count >= 16) return load_words(source);
#ifdef HAS_MASKS
    return (word_lanes)_mm512_maskz_loadu_epi32(mask_of(count), source);
#else
    word_lanes x = {0};
    memcpy(&x, source, (size_t)count * 4);
    return x;
#endif
}

INLINE void store_some_words(void *target, word_lanes x, int count) {
    if (count >= 16) memcpy(target, &x, sizeof x);
#ifdef HAS_MASKS
    else _mm512_mask_storeu_epi32(target, mask_of(count), (__m512i)x);
#else
    else memcpy(target, &x, (size_t)count * 4);
#endif
}

INLINE lanes fused(lanes a, lanes b, lanes sum) { return __builtin_elementwise_fma(a, b, sum); }

/// Lane by lane, a where the mask is set and b elsewhere.
INLINE word_lanes choose_words(int_lanes mask, word_lanes a, word_lanes b) {
    return ((word_lanes)mask & a) | (~(word_lanes)mask & b);
}

INLINE lanes choose(int_lanes mask, lanes a, lanes b) {
    return (lanes)choose_words(mask, (word_lanes)a, (word_lanes)b);
}

/// x = `fold` of all lanes, halves with halves, in every lane.
#define FOLD(x, fold)                                                                                    \
    do {                                                                                                 \
        x = fold(x, __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)); \
        x = fold(x, __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)); \
        x = fold(x, __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)); \
        x = fold(x, __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)); \
    } while (0)

INLINE lanes sum_of_two(lanes a, lanes b) { return a + b; }
INLINE lanes larger_of_two(lanes a, lanes b) { return choose(a > b, a, b); }

INLINE float sum_of_lanes(lanes x) {
    FOLD(x, sum_of_two);
    return x[0];
}

INLINE float largest_lane(lanes x) {
    FOLD(x, larger_of_two);
    return x[0];
}

/// e^x with a relative error under 1e-7 for x <= 87; 0 below about -87.7, where 2^n has no bits.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2. e^r is a polynomial of degree 7, and 2^n is built from exponent bits. Adding
/// 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
INLINE lanes exponential(lanes x) {
    const lanes clamped = larger_of_two(splat(-88), x);
    const lanes shifted = fused(clamped, splat(1.44269504f), splat(12582912));
    const lanes n = shifted - 12582912.0f;
    const lanes r = fused(n, splat(2.1219444e-4f), fused(n, splat(-0.693359375f), clamped));
    lanes p = splat(1.984127e-4f);
    p = fused(p, r, splat(1.3888889e-3f));
    p = fused(p, r, splat(8.3333338e-3f));
    p = fused(p, r, splat(4.1666667e-2f));
    p = fused(p, r, splat(1.6666667e-1f));
    p = fused(p, r, splat(0.5f));
    p = fused(p, r, splat(1));
    p = fused(p, r, splat(1));
    const int_lanes exponent = ((int_lanes)shifted << 23) + (127 << 23);
    return p * (lanes)exponent;
}
