// Counts allocations of chosen threads. The allocation functions of the whole test program go through this file, so
// that they can be counted; what libraries other than Swift's allocate for themselves is not.
#pragma once
#include <stdbool.h>

/// Starts or stops counting what the calling thread allocates.
void count_allocations(bool is_counting);

/// What the calling thread has allocated while it was counting.
long counted_allocations(void);
