// Why C: the program may only run on a processor that has everything the compiler was told to use. That is checked before `main` by
// code that was compiled for any processor; Swift code was compiled for the one that it needs.
#pragma once
#include <CBuildFacts.h>
#include <stddef.h>

/// What a processor has, and the operating system saves.
typedef struct {
    uint32_t words[crate_leaves][crate_registers];
    /// As xgetbv gives them.
    uint32_t states;
} crate_processor;

/// The processor that runs this code. Of another maker's, nothing is known, and nothing is used.
crate_processor crate_this_processor(void);

/// Whether `processor` has an instruction set, and the operating system supports it.
int crate_has(const crate_processor *processor, const crate_feature *feature);

/// Writes the names of all sets that the compiler may use and `processor` lacks, in lower case and separated by commas, to `names`, and
/// returns their number.
int crate_missing_features(const crate_processor *processor, char *names, size_t size);
