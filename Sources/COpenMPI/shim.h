// Why a shim: Open MPI's handles and constants are macros that cast the addresses of global objects,
// which Swift does not import. Each function below gives one of them a name.
#pragma once
#include <mpi.h>

static inline MPI_Comm crate_mpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Datatype crate_mpi_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype crate_mpi_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype crate_mpi_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype crate_mpi_byte(void) { return MPI_BYTE; }
static inline MPI_Op crate_mpi_sum(void) { return MPI_SUM; }
static inline MPI_Op crate_mpi_min(void) { return MPI_MIN; }
static inline void *crate_mpi_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Request crate_mpi_request_null(void) { return MPI_REQUEST_NULL; }
static inline int crate_mpi_any_source(void) { return MPI_ANY_SOURCE; }
static inline int crate_mpi_any_tag(void) { return MPI_ANY_TAG; }
static inline MPI_Status *crate_mpi_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Status *crate_mpi_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline int crate_mpi_version_length(void) { return MPI_MAX_LIBRARY_VERSION_STRING; }
