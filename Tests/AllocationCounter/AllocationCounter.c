#define _GNU_SOURCE
#include "AllocationCounter.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Thread_local bool is_counting_here;
static _Thread_local long count;

void count_allocations(bool is_counting) { is_counting_here = is_counting; }

long counted_allocations(void) { return count; }

// OpenBLAS packs factors into its own memory.
static void note(const void *caller) {
    static const char *const libraries[] = {"libopenblas", "libgomp", "libstdc++"};
    if (!is_counting_here) return;
    is_counting_here = false;
    Dl_info place;
    const char *name = dladdr(caller, &place) && place.dli_fname ? place.dli_fname : "";
    bool is_library = false;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; ++i)
        is_library = is_library || strstr(name, libraries[i]) != NULL;
    if (!is_library) ++count;
    is_counting_here = true;
}

// Sanitisers replace these functions themselves; with one, nothing is counted.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
void *malloc(size_t size) {
    note(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    note(__builtin_return_address(0));
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
    note(__builtin_return_address(0));
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    note(__builtin_return_address(0));
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}
#endif
