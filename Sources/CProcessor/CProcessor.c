#include "CProcessor.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>

crate_processor crate_this_processor(void) {
    static const struct {
        unsigned leaf, subleaf;
    } questions[crate_leaves] = {
        [crate_leaf_1] = {1, 0},     [crate_leaf_7] = {7, 0},
        [crate_leaf_7_1] = {7, 1},   [crate_leaf_24] = {0x24, 0},
        [crate_leaf_80000001] = {0x80000001, 0},
    };
    crate_processor processor = {0};
    for (int i = 0; i < crate_leaves; i++) {
        // Beyond its last leaf a processor answers for another one.
        if (questions[i].leaf > __get_cpuid_max(questions[i].leaf & 0x80000000, NULL)) continue;
        uint32_t *word = processor.words[i];
        __cpuid_count(questions[i].leaf, questions[i].subleaf, word[crate_eax], word[crate_ebx], word[crate_ecx], word[crate_edx]);
    }
    const uint32_t has_avx10 = processor.words[crate_leaf_7_1][crate_edx] >> 19 & 1;
    const uint32_t version = has_avx10 ? processor.words[crate_leaf_24][crate_ebx] & 15 : 0;
    processor.words[crate_leaf_24][crate_ebx] = (2u << version) - 2;
    const uint32_t has_xgetbv = processor.words[crate_leaf_1][crate_ecx] >> 27 & 1;
    if (has_xgetbv) {
        uint32_t high;
        __asm__("xgetbv" : "=a"(processor.states), "=d"(high) : "c"(0));
    }
    return processor;
}
#else
crate_processor crate_this_processor(void) { return (crate_processor){0}; }
#endif

int crate_has(const crate_processor *processor, const crate_feature *feature) {
    const uint32_t word = processor->words[feature->leaf][feature->register_];
    return (word >> feature->bit & 1) && (processor->states & feature->states) == feature->states;
}

int crate_missing_features(const crate_processor *processor, char *names, size_t size) {
    int count = 0;
    size_t used = 0;
    for (int i = 0; i < crate_feature_count; i++) {
        const crate_feature *feature = &crate_features[i];
        if (!feature->is_used || crate_has(processor, feature)) continue;
        const int length = snprintf(names + used, size - used, "%s%s", count ? ", " : "", feature->name);
        if (length > 0 && used + (size_t)length < size) used += (size_t)length;
        count++;
    }
    for (size_t i = 0; i < used; i++) names[i] = (char)tolower(names[i]);
    return count;
}

// A missing instruction would end the program with SIGILL.
__attribute__((constructor)) static void require_processor(void) {
    const crate_processor processor = crate_this_processor();
    char names[1024] = "";
    if (crate_missing_features(&processor, names, sizeof names) == 0) return;
    // All ranks of a node find the same. mpirun ends the job when the first has said so and exits; the others wait for that.
    const char *rank = getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    if (rank != NULL && strcmp(rank, "0") != 0) sleep(2);
    fprintf(stderr,
            "crate: error: the program was built for a processor (%s) with %s, which this one lacks; build it with Launch/build "
            "--processor x86-64-v3, or on this machine\n",
            crate_build_processor, names);
    _exit(1);
}
