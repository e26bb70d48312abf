// A library for LD_PRELOAD that makes calls on files fail or wait, as poor disks and network file systems do.
//
//   FAULTY_PATH    affects only files whose path contains this text
//   FAULTY_CALLS   affects only these calls, such as "flock" or "write,fsync" (default: all below)
//   FAULTY_FIRST, FAULTY_LAST   numbers of the affected calls that fail, counted from 1 (default: none; LAST is FIRST)
//   FAULTY_ERRNO   the error (default: EIO)
//   FAULTY_DELAY   microseconds that every affected call waits
//   FAULTY_SHORT   affected reads and writes stop after 1 to 7 bytes, as a signal may make them
//   FAULTY_LIST    a file to which every affected call is appended, a line of its name and its path
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long calls;
/// Whether the current call is one of those.
static _Thread_local int is_affected;

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static int is_named(const char *call) {
    const char *names = getenv("FAULTY_CALLS");
    if (!names) return 1;
    size_t length = strlen(call);
    for (const char *place = names; (place = strstr(place, call)); place += length) {
        char after = place[length];
        if ((place == names || place[-1] == ',') && (after == ',' || after == 0)) return 1;
    }
    return 0;
}

/// Whether this call is to fail; then `errno` is set.
static int fails(const char *call, const char *path) {
    const char *part = getenv("FAULTY_PATH");
    is_affected = part && path && strstr(path, part) && is_named(call);
    if (!is_affected) return 0;
    long current = atomic_fetch_add(&calls, 1) + 1, first = number("FAULTY_FIRST", 0);
    const char *list = getenv("FAULTY_LIST");
    if (list) {
        // Not through the functions of this file.
        int file = (int)syscall(SYS_openat, AT_FDCWD, list, O_WRONLY | O_CREAT | O_APPEND, 0600);
        char line[4200];
        snprintf(line, sizeof line, "%s %s\n", call, path);
        syscall(SYS_write, file, line, strlen(line));
        syscall(SYS_close, file);
    }
    long delay = number("FAULTY_DELAY", 0);
    if (delay) usleep((useconds_t)delay);
    if (!first || current < first || current > number("FAULTY_LAST", first)) return 0;
    errno = (int)number("FAULTY_ERRNO", EIO);
    return 1;
}

static int fails_on(const char *call, int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return fails(call, path);
}

/// How many of `count` bytes a call reads or writes.
static size_t shortened(size_t count) {
    static atomic_uint turn;
    if (!is_affected || !getenv("FAULTY_SHORT")) return count;
    size_t limit = 1 + atomic_fetch_add(&turn, 1) % 7;
    return count < limit ? count : limit;
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;                                        \
        va_end(list);                                                                                                  \
        return fails("open", path) ? -1 : NEXT(int (*)(const char *, int, ...), #name)(path, flags, mode);             \
    }
OPEN(open)
OPEN(open64)

#define PREAD(name)                                                                                                    \
    ssize_t name(int file, void *bytes, size_t count, off_t offset) {                                                  \
        return fails_on("read", file)                                                                                  \
                   ? -1                                                                                                \
                   : NEXT(ssize_t(*)(int, void *, size_t, off_t), #name)(file, bytes, shortened(count), offset);       \
    }
PREAD(pread)
PREAD(pread64)

ssize_t read(int file, void *bytes, size_t count) {
    return fails_on("read", file) ? -1 : NEXT(ssize_t(*)(int, void *, size_t), "read")(file, bytes, shortened(count));
}

ssize_t write(int file, const void *bytes, size_t count) {
    return fails_on("write", file) ? -1 : NEXT(ssize_t(*)(int, const void *, size_t), "write")(file, bytes, shortened(count));
}

int fsync(int file) { return fails_on("fsync", file) ? -1 : NEXT(int (*)(int), "fsync")(file); }
int flock(int file, int operation) {
    return fails_on("flock", file) ? -1 : NEXT(int (*)(int, int), "flock")(file, operation);
}
int rename(const char *from, const char *to) {
    return fails("rename", to) ? -1 : NEXT(int (*)(const char *, const char *), "rename")(from, to);
}
int mkdir(const char *path, mode_t mode) {
    return fails("mkdir", path) ? -1 : NEXT(int (*)(const char *, mode_t), "mkdir")(path, mode);
}
int unlink(const char *path) { return fails("unlink", path) ? -1 : NEXT(int (*)(const char *), "unlink")(path); }
int rmdir(const char *path) { return fails("rmdir", path) ? -1 : NEXT(int (*)(const char *), "rmdir")(path); }
DIR *opendir(const char *path) {
    return fails("opendir", path) ? NULL : NEXT(DIR * (*)(const char *), "opendir")(path);
}
