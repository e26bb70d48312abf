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

/// Up to 16 bf16; zero past the end.
INLINE half_lanes load_some_halves(const uint16_t *source, int count) {
    half_lanes x = {0};
    if (count >= 16) memcpy(&x, source, sizeof x);
#ifdef HAS_MASKS
    else x = (half_lanes)_mm256_maskz_loadu_epi16(mask_of(count), source);
#else
    else memcpy(&x, source, (size_t)count * 2);
#endif
    return x;
}

INLINE lanes load_bf16(const uint16_t *source, int count) {
    return (lanes)(__builtin_convertvector(load_some_halves(source, count), word_lanes) << 16);
}

INLINE void store_some_halves(uint16_t *target, half_lanes x, int count) {
    if (count >= 16) memcpy(target, &x, sizeof x);
#ifdef HAS_MASKS
    else _mm256_mask_storeu_epi16(target, mask_of(count), (__m256i)x);
#else
    else memcpy(target, &x, (size_t)count * 2);
#endif
}

/// Lane j is the pair (first[j], second[j]).
INLINE word_lanes pairs_of_halves(half_lanes first, half_lanes second) {
    return (word_lanes)__builtin_shufflevector(
        first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
        14, 30, 15, 31);
}

#ifdef HAS_BF16_PRODUCTS
INLINE half_lanes bf16_of(lanes x) { return (half_lanes)_mm512_cvtneps_pbh((__m512)x); }

/// Lane j is the pair (first[j], second[j]), rounded.
INLINE word_lanes pairs_of(lanes first, lanes second) {
    return pairs_of_halves(bf16_of(first), bf16_of(second));
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
