// The formats of factors: floats, floats rounded to bf16, bf16. A word is 4 bytes: a float, or a pair of bf16 that products
// add up in one step, the first in the low half.
#pragma once
#include "Lanes.h"

/// The bits in whose upper halves stand the nearest bf16, ties to even. NaN stays NaN.
INLINE word_lanes bits_rounded_to_bf16(lanes x) {
    const word_lanes bits = (word_lanes)x;
    return choose_words(x == x, bits + 0x7FFF + ((bits >> 16) & 1), bits | 0x400000);
}

INLINE lanes rounded(lanes x) { return (lanes)(bits_rounded_to_bf16(x) & 0xFFFF0000); }

INLINE lanes load_bf16(const uint16_t *source, int count) {
    half_lanes x = {0};
    if (count >= 16) memcpy(&x, source, sizeof x);
#ifdef HAS_MASKS
    else x = (half_lanes)_mm256_maskz_loadu_epi16(mask_of(count), source);
#else
    else memcpy(&x, source, (size_t)count * 2);
#endif
    return (lanes)(__builtin_convertvector(x, word_lanes) << 16);
}

INLINE void store_some_halves(uint16_t *target, half_lanes x, int count) {
    if (count >= 16) memcpy(target, &x, sizeof x);
#ifdef HAS_MASKS
    else _mm256_mask_storeu_epi16(target, mask_of(count), (__m256i)x);
#else
    else memcpy(target, &x, (size_t)count * 2);
#endif
}

#ifdef HAS_BF16_PRODUCTS
INLINE half_lanes bf16_of(lanes x) { return (half_lanes)_mm512_cvtneps_pbh((__m512)x); }

/// Lane j is the pair (first[j], second[j]), rounded.
INLINE word_lanes pairs_of(lanes first, lanes second) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return (word_lanes)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first));
}
#else
INLINE half_lanes bf16_of(lanes x) { return __builtin_convertvector(bits_rounded_to_bf16(x) >> 16, half_lanes); }

INLINE word_lanes pairs_of(lanes first, lanes second) {
    return (bits_rounded_to_bf16(first) >> 16) | (bits_rounded_to_bf16(second) & 0xFFFF0000);
}
#endif

INLINE int up_to_16(int x) { return (x + 15) / 16 * 16; }

/// The size of an element in bytes.
INLINE ptrdiff_t size_of(crate_elements elements) { return elements == crate_bfloat16 ? 2 : 4; }

/// The steps in which `count` products are added: one each, or one for two.
INLINE int steps_of(crate_elements elements, int count) { return elements == crate_bfloat16 ? (count + 1) / 2 : count; }

/// The words from the element `offset` on.
INLINE uint32_t *at(crate_elements elements, const void *base, ptrdiff_t offset) {
    return (uint32_t *)((char *)base + offset * size_of(elements));
}

INLINE lanes load_factor(crate_elements elements, const void *base, ptrdiff_t offset, int count) {
    const void *source = at(elements, base, offset);
    return elements == crate_bfloat16 ? load_bf16(source, count) : (lanes)load_some_words(source, count);
}

/// Stores the first `count` lanes, all 16 if there are more.
INLINE void store_factor(crate_elements elements, void *base, ptrdiff_t offset, lanes x, int count) {
    void *target = at(elements, base, offset);
    if (elements == crate_bfloat16) store_some_halves(target, bf16_of(x), count);
    else store_some_words(target, (word_lanes)(elements == crate_rounded_float32 ? rounded(x) : x), count);
}
