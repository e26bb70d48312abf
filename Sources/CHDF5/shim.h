// Why a shim: HDF5's predefined types and property classes are macros that initialise the library and read
// a global; Swift does not import them. Each function below gives one of them a name.
#pragma once
#include <hdf5.h>

static inline hid_t crate_h5_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t crate_h5_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t crate_h5_uint32(void) { return H5T_NATIVE_UINT32; }
