/* Preloaded into a daemon by tests/chaos/shim.py: makes system calls below one folder fail, and moves the
 * wall clock, as a shared control page says. Nothing else is changed; without LOCKGATE_SHIM it is inert.
 *
 * A call counts when its kind is in `kinds` and its path (or its descriptor's) begins with LOCKGATE_SHIM_BELOW
 * and contains `contains`. The first `skip` of them pass, then each `every`-th fails with `error`, `most`
 * times altogether (0: no end). With `error` 0 it does not fail but never returns. Counters are shared by all
 * processes that map the page.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { K_WRITE = 1, K_FSYNC = 2, K_RENAME = 4, K_LINK = 8, K_CREATE = 16, K_READ = 32, K_UNLINK = 64,
       K_WORKERS = 1 << 16 /* only in processes that multiprocessing has spawned */ };

struct control {
    long long on, kinds, error, skip, every, most; /* written by the test */
    long long seen, failed;                        /* written here */
    long long clock_seconds;                       /* added to CLOCK_REALTIME */
    char contains[128];
};

static struct control *control;
static const char *below;
static int is_worker;

static void look_at_command_line(int (*real_open)(const char *, int, ...))
{
    char text[4096];
    int file = real_open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t (*real_read)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    ssize_t size = file < 0 ? 0 : real_read(file, text, sizeof text);
    close(file);
    is_worker = size > 0 && memmem(text, size, "spawn_main", 10) != NULL;
}

__attribute__((constructor)) static void start(void)
{
    const char *page = getenv("LOCKGATE_SHIM");
    below = getenv("LOCKGATE_SHIM_BELOW");
    if (!page || !below) return;
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = real_open(page, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) control = mapped;
    look_at_command_line(real_open);
}

static int fails(int kind, const char *path)
{
    if (!control || !control->on || !(control->kinds & kind) || !path) return 0;
    if ((control->kinds & K_WORKERS) && !is_worker) return 0;
    if (strncmp(path, below, strlen(below)) || !strstr(path, control->contains)) return 0;
    long long number = __atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
    if (number <= control->skip) return 0;
    if (control->every > 1 && (number - control->skip) % control->every) return 0;
    if (control->most) {
        if (__atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST) > control->most) {
            __atomic_sub_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
            return 0;
        }
    } else {
        __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    }
    while (!control->error) pause();
    errno = (int)control->error;
    return 1;
}

static int fails_fd(int kind, int file)
{
    char link[64], path[PATH_MAX];
    if (!control || !control->on || !(control->kinds & kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return fails(kind, path);
}

static int fails_at(int kind, int folder, const char *path)
{
    char link[64], whole[2 * PATH_MAX];
    if (!control || !control->on || !(control->kinds & kind) || !path) return 0;
    if (path[0] == '/') return fails(kind, path);
    if (folder == AT_FDCWD) {
        if (!getcwd(whole, PATH_MAX)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t size = readlink(link, whole, PATH_MAX - 1);
        if (size <= 0) return 0;
        whole[size] = 0;
    }
    strncat(whole, "/", 2);
    strncat(whole, path, PATH_MAX - 1);
    return fails(kind, whole);
}

#define REAL(type, name, ...)                                  \
    static type (*real)(__VA_ARGS__);                          \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name)

#define BY_FD(type, name, kind, arguments, given)              \
    type name arguments                                        \
    {                                                          \
        static type(*real) arguments;                          \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);  \
        if (fails_fd(kind, file)) return -1;                   \
        return real given;                                     \
    }

BY_FD(ssize_t, write, K_WRITE, (int file, const void *data, size_t size), (file, data, size))
BY_FD(ssize_t, pwrite, K_WRITE, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
BY_FD(ssize_t, pwrite64, K_WRITE, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
BY_FD(ssize_t, writev, K_WRITE, (int file, const struct iovec *parts, int count), (file, parts, count))
BY_FD(ssize_t, pwritev, K_WRITE, (int file, const struct iovec *parts, int count, off_t at), (file, parts, count, at))
BY_FD(int, ftruncate, K_WRITE, (int file, off_t size), (file, size))
BY_FD(int, ftruncate64, K_WRITE, (int file, off64_t size), (file, size))
BY_FD(int, fsync, K_FSYNC, (int file), (file))
BY_FD(int, fdatasync, K_FSYNC, (int file), (file))
BY_FD(ssize_t, read, K_READ, (int file, void *data, size_t size), (file, data, size))
BY_FD(ssize_t, pread, K_READ, (int file, void *data, size_t size, off_t at), (file, data, size, at))
BY_FD(ssize_t, pread64, K_READ, (int file, void *data, size_t size, off64_t at), (file, data, size, at))

int rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    return fails_at(K_RENAME, AT_FDCWD, to) ? -1 : real(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    REAL(int, renameat, int, const char *, int, const char *);
    return fails_at(K_RENAME, to_folder, to) ? -1 : real(from_folder, from, to_folder, to);
}

int link(const char *from, const char *to)
{
    REAL(int, link, const char *, const char *);
    return fails_at(K_LINK, AT_FDCWD, to) ? -1 : real(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    REAL(int, linkat, int, const char *, int, const char *, int);
    return fails_at(K_LINK, to_folder, to) ? -1 : real(from_folder, from, to_folder, to, flags);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(int, mkdir, const char *, mode_t);
    return fails_at(K_CREATE, AT_FDCWD, path) ? -1 : real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    REAL(int, mkdirat, int, const char *, mode_t);
    return fails_at(K_CREATE, folder, path) ? -1 : real(folder, path, mode);
}

int unlink(const char *path)
{
    REAL(int, unlink, const char *);
    return fails_at(K_UNLINK, AT_FDCWD, path) ? -1 : real(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    REAL(int, unlinkat, int, const char *, int);
    return fails_at(K_UNLINK, folder, path) ? -1 : real(folder, path, flags);
}

static mode_t mode_of(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPEN(name)                                                                        \
    int name(const char *path, int flags, ...)                                            \
    {                                                                                     \
        REAL(int, name, const char *, int, ...);                                          \
        va_list more;                                                                     \
        va_start(more, flags);                                                            \
        mode_t mode = mode_of(flags, more);                                               \
        va_end(more);                                                                     \
        if ((flags & (O_CREAT | O_WRONLY | O_RDWR)) && fails_at(K_CREATE, AT_FDCWD, path)) \
            return -1;                                                                    \
        return real(path, flags, mode);                                                   \
    }

#define OPENAT(name)                                                                      \
    int name(int folder, const char *path, int flags, ...)                                \
    {                                                                                     \
        REAL(int, name, int, const char *, int, ...);                                     \
        va_list more;                                                                     \
        va_start(more, flags);                                                            \
        mode_t mode = mode_of(flags, more);                                               \
        va_end(more);                                                                     \
        if ((flags & (O_CREAT | O_WRONLY | O_RDWR)) && fails_at(K_CREATE, folder, path))  \
            return -1;                                                                    \
        return real(folder, path, flags, mode);                                           \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int clock_gettime(clockid_t clock, struct timespec *time)
{
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int result = real(clock, time);
    if (!result && control && clock == CLOCK_REALTIME) time->tv_sec += control->clock_seconds;
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    REAL(int, gettimeofday, struct timeval *restrict, void *restrict);
    int result = real(time, zone);
    if (!result && control) time->tv_sec += control->clock_seconds;
    return result;
}

time_t time(time_t *where)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
