// Why a shim: the module map needs one header to name. dnnl_sgemm is the same in oneDNN 2 and 3.
// The library runs on OpenMP, whose number of threads is a setting of each calling thread; the compiler's omp.h is not
// in Swift's search path, so its one function that is needed is declared here.
#pragma once
#include <oneapi/dnnl/dnnl.h>

void omp_set_num_threads(int count);
