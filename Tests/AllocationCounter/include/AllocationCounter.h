// Counts the allocations of chosen threads. All allocations of the test program go through this file; allocations
// inside libraries other than Swift's are not counted.
#pragma once
#include <stdbool.h>

/// Starts or stops counting the allocations of the calling thread.
void count_allocations(bool is_counting);

/// The number of counted allocations of the calling thread.
long counted_allocations(void);
