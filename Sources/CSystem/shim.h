// Why a shim: the C library declares these calls of Linux only for GNU sources, so Swift does not import them.
#pragma once
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Exchanges the names of two files or directories at once; -1 with `errno` where the file system cannot.
static inline int crate_exchange_names(const char *one, const char *other) {
    enum { exchange = 2 }; // RENAME_EXCHANGE
    return (int)syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, exchange);
}

/// Waits until everything on the file system of the open file `descriptor` is on the disk; -1 with `errno` if that fails.
static inline int crate_sync_file_system(int descriptor) { return (int)syscall(SYS_syncfs, descriptor); }
