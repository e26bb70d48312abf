// For any processor: the compiler's own choice of instructions, fused multiply-add by a library function where there is no
// instruction, which is slow.
#define KERNEL_SET crate_portable_kernels
#define KERNEL_NAME "portable"
#define TILE_VECTORS 1
#pragma clang diagnostic ignored "-Wpsabi"
#include "KernelSet.h"
