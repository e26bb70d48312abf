// Why a shim: HDF5's predefined types, property classes and constants are macros that initialise the library and
// read a global, or cast; Swift does not import them. Each function below gives one of them a name.
#pragma once
#include <hdf5.h>

static inline hid_t crate_h5_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t crate_h5_uint16(void) { return H5T_NATIVE_UINT16; }
static inline hid_t crate_h5_float(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t crate_h5_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t crate_h5_uint32(void) { return H5T_NATIVE_UINT32; }
static inline hid_t crate_h5_string(void) { return H5T_C_S1; }
static inline size_t crate_h5_variable_length(void) { return H5T_VARIABLE; }

static inline hsize_t crate_h5_unlimited(void) { return H5S_UNLIMITED; }

static inline hid_t crate_h5_default(void) { return H5P_DEFAULT; }
static inline hid_t crate_h5_whole_space(void) { return H5S_ALL; }
static inline hid_t crate_h5_dataset_creation(void) { return H5P_DATASET_CREATE; }
static inline hid_t crate_h5_file_access(void) { return H5P_FILE_ACCESS; }
static inline unsigned crate_h5_read_write(void) { return H5F_ACC_RDWR; }
static inline unsigned crate_h5_exclusive(void) { return H5F_ACC_EXCL; }

// Called before other calls, on each thread. The library prints its error stack by itself unless told otherwise, once
// a thread. And at exit it tries again to close files whose closing failed, such as on a full disk, and crashes;
// everything here is closed by its owner, so it need not.
static inline void crate_h5_prepare(void) {
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}
