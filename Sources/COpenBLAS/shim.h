// Why a shim: the module map needs one header to name, and Debian installs OpenBLAS's own cblas.h
// under a directory that only pkg-config knows.
#pragma once
#include <cblas.h>
#include <stddef.h>

// OpenBLAS holds LAPACK too, but Debian keeps its header in another package.

// The Cholesky factor of the symmetric a (n, n), in its place; info is 0 where there is one. The last is the length of the first.
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_length);

// The solutions of a x = b for the columns of b (n, columns), in their place, a being the factor that dpotrf_ made.
void dpotrs_(const char *uplo, const int *n, const int *columns, const double *a, const int *lda, double *b, const int *ldb,
             int *info, size_t uplo_length);

// Eigenvalues w, ascending, and eigenvectors of the
// symmetric a (n, n), column by column in its place. The last two are the lengths of the first two, as Fortran wants it.
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
            const int *lwork, int *info, size_t jobz_length, size_t uplo_length);
