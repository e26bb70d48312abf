// Why C: only the C compiler's macros know which processor it was told to compile for. This target is compiled for that processor, as
// Swift code is, so it holds data only: CProcessor, which is compiled for any processor, compares it with the one that runs the program.
#pragma once
#include <stdint.h>

/// The name that the program was compiled for; Package.swift says it.
extern const char *const crate_build_processor;

/// What cpuid was asked: leaf and subleaf.
enum {
    crate_leaf_1,
    crate_leaf_7,
    crate_leaf_7_1,
    /// Of its register ebx, bits 1 to n are set where AVX10.n is there; the processor itself gives the number n.
    crate_leaf_24,
    crate_leaf_80000001,
    crate_leaves
};

/// The registers of its answer.
enum { crate_eax, crate_ebx, crate_ecx, crate_edx, crate_registers };

/// An instruction set.
typedef struct {
    /// As in the compiler's macro, without underscores around it.
    const char *name;
    /// Whether the compiler may use it.
    int is_used;
    /// The bit of cpuid by which a processor says that it has it.
    int leaf, register_, bit;
    /// The register states that the operating system must save for it, as bits of xgetbv.
    uint32_t states;
} crate_feature;

/// All sets that matter, from narrow to wide.
extern const crate_feature *const crate_features;
extern const int crate_feature_count;
