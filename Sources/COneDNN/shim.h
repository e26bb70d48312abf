// Why a shim: oneDNN describes a product by objects that are to be made once a shape and used often, and versions 2 and 3
// make them by different calls; here a product is one function. dnnl_sgemm is the same in both versions.
// The library runs on OpenMP, whose number of threads is a setting of each calling thread; the compiler's omp.h is not
// in Swift's search path, so its one function that is needed is declared here.
#pragma once
#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void omp_set_num_threads(int count);

static inline bool crate_dnnl_reaches(dnnl_cpu_isa_t isa) {
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

/// Whether products use AVX-512.
static inline bool crate_dnnl_has_avx512(void) { return crate_dnnl_reaches(dnnl_cpu_isa_avx512_core); }

/// Whether the processor multiplies bf16 itself.
static inline bool crate_dnnl_has_bf16(void) { return crate_dnnl_reaches(dnnl_cpu_isa_avx512_core_bf16); }

/// The widest instructions that products use.
static inline const char *crate_dnnl_widest_isa(void) {
    if (crate_dnnl_reaches(dnnl_cpu_isa_avx512_core_amx)) return "amx";
    if (crate_dnnl_has_bf16()) return "avx512_bf16";
    if (crate_dnnl_has_avx512()) return "avx512";
    return crate_dnnl_reaches(dnnl_cpu_isa_avx2) ? "avx2" : "narrower than avx2";
}

/// C (m, n) = A (m, k) B (k, n), or C += A B, with A and B in bf16, sums in f32, and C in bf16 or f32. The distance of
/// two rows of a matrix as it lies in memory is its stride; a transposed matrix lies there as its transpose.
typedef struct {
    int64_t m, n, k, a_stride, b_stride, c_stride;
    int32_t a_is_transposed, b_is_transposed, c_is_bf16, is_adding;
} crate_bf16_product;

/// A product made ready: what creating takes thousands of times as long as executing.
typedef struct {
    crate_bf16_product shape;
    dnnl_primitive_t primitive;
    dnnl_memory_t a, b, c;
} crate_bf16_entry;

enum { crate_bf16_entries = 256 };

/// A thread's products. Entries are found by their hash; one that has no room left takes the place of another.
typedef struct {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    crate_bf16_entry entries[crate_bf16_entries];
} crate_bf16_cache;

static inline void crate_dnnl_release(crate_bf16_entry *entry) {
    dnnl_primitive_destroy(entry->primitive);
    dnnl_memory_destroy(entry->a);
    dnnl_memory_destroy(entry->b);
    dnnl_memory_destroy(entry->c);
    memset(entry, 0, sizeof *entry);
}

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t crate_dnnl_md;
#define CRATE_DNNL_MD(md) (md)
static inline dnnl_status_t crate_dnnl_append_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}
static inline dnnl_status_t crate_dnnl_describe(
    crate_dnnl_md *md, int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, dnnl_data_type_t type) {
    const dnnl_dims_t extents = {rows, columns}, strides = {row_step, column_step};
    return dnnl_memory_desc_create_with_strides(md, 2, extents, type, strides);
}
static inline void crate_dnnl_forget(crate_dnnl_md md) { dnnl_memory_desc_destroy(md); }
#else
typedef dnnl_memory_desc_t crate_dnnl_md;
#define CRATE_DNNL_MD(md) (&(md))
static inline dnnl_status_t crate_dnnl_append_sum(dnnl_post_ops_t ops) { return dnnl_post_ops_append_sum(ops, 1.0f); }
static inline dnnl_status_t crate_dnnl_describe(
    crate_dnnl_md *md, int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, dnnl_data_type_t type) {
    const dnnl_dims_t extents = {rows, columns}, strides = {row_step, column_step};
    return dnnl_memory_desc_init_by_strides(md, 2, extents, type, strides);
}
static inline void crate_dnnl_forget(crate_dnnl_md md) { (void)md; }
#endif

/// Whether `description` is the implementation wanted: `gemm:jit`, the fastest where A is read transposed.
static inline bool crate_dnnl_is_gemm(const_dnnl_primitive_desc_t description) {
    const char *name = "";
    dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name);
    return strncmp(name, "gemm:jit", 8) == 0;
}

/// The primitive of the first implementation, or of `gemm:jit` where A is transposed and there is such.
static inline dnnl_status_t crate_dnnl_make_primitive(
    const crate_bf16_product *shape, dnnl_engine_t engine, crate_dnnl_md a, crate_dnnl_md b, crate_dnnl_md c,
    const_dnnl_primitive_attr_t attributes, dnnl_primitive_t *primitive) {
    dnnl_status_t status;
    for (int pass = shape->a_is_transposed ? 0 : 1; pass < 2; ++pass) {
#if DNNL_VERSION_MAJOR >= 3
        dnnl_primitive_desc_t description;
        status = dnnl_matmul_primitive_desc_create(&description, engine, a, b, NULL, c, attributes);
        if (status != dnnl_success) return status;
        while (pass == 0 && status == dnnl_success && !crate_dnnl_is_gemm(description))
            status = dnnl_primitive_desc_next_impl(description);
        if (status == dnnl_success) status = dnnl_primitive_create(primitive, description);
        dnnl_primitive_desc_destroy(description);
#else
        dnnl_matmul_desc_t product;
        status = dnnl_matmul_desc_init(&product, &a, &b, NULL, &c);
        if (status != dnnl_success) return status;
        dnnl_primitive_desc_iterator_t candidates;
        status = dnnl_primitive_desc_iterator_create(&candidates, &product, attributes, engine, NULL);
        if (status != dnnl_success) return status;
        do {
            dnnl_primitive_desc_t description = dnnl_primitive_desc_iterator_fetch(candidates);
            bool is_taken = pass == 1 || crate_dnnl_is_gemm(description);
            if (is_taken) status = dnnl_primitive_create(primitive, description);
            dnnl_primitive_desc_destroy(description);
            if (is_taken) break;
        } while ((status = dnnl_primitive_desc_iterator_next(candidates)) == dnnl_success);
        dnnl_primitive_desc_iterator_destroy(candidates);
#endif
        if (status == dnnl_success) return status;
    }
    return status;
}

static inline dnnl_status_t crate_dnnl_make(
    const crate_bf16_product *shape, dnnl_engine_t engine, crate_bf16_entry *entry) {
    crate_dnnl_md a, b, c;
    dnnl_data_type_t result = shape->c_is_bf16 ? dnnl_bf16 : dnnl_f32;
    bool at = shape->a_is_transposed, bt = shape->b_is_transposed;
    dnnl_status_t status = crate_dnnl_describe(
        &a, shape->m, shape->k, at ? 1 : shape->a_stride, at ? shape->a_stride : 1, dnnl_bf16);
    if (status == dnnl_success)
        status = crate_dnnl_describe(
            &b, shape->k, shape->n, bt ? 1 : shape->b_stride, bt ? shape->b_stride : 1, dnnl_bf16);
    if (status == dnnl_success) status = crate_dnnl_describe(&c, shape->m, shape->n, shape->c_stride, 1, result);
    if (status != dnnl_success) return status;

    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t operations;
    status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success && shape->is_adding) {
        dnnl_post_ops_create(&operations);
        crate_dnnl_append_sum(operations);
        dnnl_primitive_attr_set_post_ops(attributes, operations);
        dnnl_post_ops_destroy(operations);
    }
    if (status == dnnl_success)
        status = crate_dnnl_make_primitive(shape, engine, a, b, c, attributes, &entry->primitive);
    dnnl_primitive_attr_destroy(attributes);
    if (status == dnnl_success) status = dnnl_memory_create(&entry->a, CRATE_DNNL_MD(a), engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success) status = dnnl_memory_create(&entry->b, CRATE_DNNL_MD(b), engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success) status = dnnl_memory_create(&entry->c, CRATE_DNNL_MD(c), engine, DNNL_MEMORY_NONE);
    crate_dnnl_forget(a);
    crate_dnnl_forget(b);
    crate_dnnl_forget(c);
    if (status == dnnl_success) entry->shape = *shape;
    return status;
}

/// Computes the product on the calling thread. Each thread makes its own primitives, at its first product of a shape.
static inline dnnl_status_t crate_bf16_multiply(
    const crate_bf16_product *shape, const void *a, const void *b, void *c) {
    static __thread crate_bf16_cache cache;
    dnnl_status_t status = dnnl_success;
    if (!cache.stream) {
        status = dnnl_engine_create(&cache.engine, dnnl_cpu, 0);
        if (status == dnnl_success) status = dnnl_stream_create(&cache.stream, cache.engine, dnnl_stream_default_flags);
        if (status != dnnl_success) return status;
    }
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof *shape / 4; ++i)
        hash = (hash ^ ((const uint32_t *)(const void *)shape)[i]) * 0x9E3779B97F4A7C15u;
    crate_bf16_entry *entry = NULL;
    for (unsigned probe = 0; probe < 8; ++probe) {
        entry = &cache.entries[((hash >> 40) + probe) % crate_bf16_entries];
        if (!entry->primitive || memcmp(&entry->shape, shape, sizeof *shape) == 0) break;
    }
    if (!entry->primitive || memcmp(&entry->shape, shape, sizeof *shape) != 0) {
        if (entry->primitive) crate_dnnl_release(entry);
        status = crate_dnnl_make(shape, cache.engine, entry);
        if (status != dnnl_success) {
            crate_dnnl_release(entry);
            return status;
        }
    }
    dnnl_memory_set_data_handle(entry->a, (void *)a);
    dnnl_memory_set_data_handle(entry->b, (void *)b);
    dnnl_memory_set_data_handle(entry->c, c);
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, entry->a}, {DNNL_ARG_WEIGHTS, entry->b}, {DNNL_ARG_DST, entry->c}};
    return dnnl_primitive_execute(entry->primitive, cache.stream, 3, arguments);
}
