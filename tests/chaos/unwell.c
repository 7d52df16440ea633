/* Preloaded into a daemon, this makes its machine unwell on demand: the time of day is wrong, files cannot be written.
 *
 * The file named by DRIFTWATT_UNWELL is shared memory (tests/chaos/unwell.py writes it): what is wrong just now, and how
 * often it struck. The monotonic clock is left alone. Errors strike writes, syncs and openings for writing below the
 * folder named by DRIFTWATT_UNWELL_FOLDER, whatever the file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

struct state {
  int64_t ahead_ns;
  int32_t unsynced, sync_error, write_error, open_error;
  uint64_t stamped, syncs_failed, writes_failed, opens_failed;
};
static struct state well, *now = &well;
static char folder[512];

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("DRIFTWATT_UNWELL"), *where = getenv("DRIFTWATT_UNWELL_FOLDER");
  if (!path || !where || strlen(where) >= sizeof folder) return;
  strcpy(folder, where);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  void *at = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED) now = at;
  close(fd);
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name)
#define COUNT(what) __atomic_add_fetch(&now->what, 1, __ATOMIC_RELAXED)

int clock_gettime(clockid_t clock, struct timespec *out) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int failed = real(clock, out);
  if (failed || !now->ahead_ns || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return failed;
  int64_t ns = out->tv_sec * 1000000000LL + out->tv_nsec + now->ahead_ns;
  out->tv_sec = ns / 1000000000LL;
  out->tv_nsec = ns % 1000000000LL;
  COUNT(stamped);
  return 0;
}

int gettimeofday(struct timeval *out, void *zone) {
  struct timespec at;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &at)) return -1;
  out->tv_sec = at.tv_sec;
  out->tv_usec = at.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec at;
  if (clock_gettime(CLOCK_REALTIME, &at)) return -1;
  if (out) *out = at.tv_sec;
  return at.tv_sec;
}

int adjtimex(struct timex *out) {
  REAL(int, "adjtimex", struct timex *);
  int state = real(out);
  return state < 0 ? state : now->unsynced ? TIME_ERROR : TIME_OK;
}

static int named(const char *path) { return *folder && !strncmp(path, folder, strlen(folder)); }

static int ours(int fd) {
  char link[64], path[1024];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return named(path);
}

#define STRUCK(error, fd, counted) \
  do { if (now->error && ours(fd)) { COUNT(counted); errno = now->error; return -1; } } while (0)

#define OPEN(symbol) \
  int symbol(const char *path, int flags, ...) { \
    REAL(int, #symbol, const char *, int, ...); \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    if (now->open_error && (flags & (O_WRONLY | O_RDWR | O_CREAT)) && named(path)) { \
      COUNT(opens_failed); errno = now->open_error; return -1; } \
    return real(path, flags, mode); }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  STRUCK(write_error, fd, writes_failed);
  return real(fd, data, size);
}

#define PWRITE(symbol, offset_type) \
  ssize_t symbol(int fd, const void *data, size_t size, offset_type offset) { \
    REAL(ssize_t, #symbol, int, const void *, size_t, offset_type); \
    STRUCK(write_error, fd, writes_failed); \
    return real(fd, data, size, offset); }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SYNC(symbol) \
  int symbol(int fd) { \
    REAL(int, #symbol, int); \
    STRUCK(sync_error, fd, syncs_failed); \
    return real(fd); }
SYNC(fsync)
SYNC(fdatasync)
