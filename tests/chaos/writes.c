/* Preloaded into a process, this notes every write, truncation, sync and removal of its SQLite files, in order.
 *
 * The log named by DRIFTWATT_WRITES holds records of: operation (1 byte), length of the name (1), offset or size (8),
 * length of the data (4), name, data; little endian. Files count whose name has ".sqlite3" in it (not "-shm", which no
 * power cut matters to); what is written to a file ending in ".told" is noted as `T`: the process tells its promises so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 1024
static int log_fd = -1;
static char *names[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("DRIFTWATT_WRITES");
  if (path) log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(char operation, const char *name, uint64_t offset, const void *data, uint32_t size) {
  if (log_fd < 0 || !name) return;
  unsigned char head[14];
  head[0] = (unsigned char)operation;
  head[1] = (unsigned char)strlen(name);
  memcpy(head + 2, &offset, 8);
  memcpy(head + 10, &size, 4);
  struct iovec parts[3] = {{head, sizeof head}, {(void *)name, head[1]}, {(void *)data, data ? size : 0}};
  pthread_mutex_lock(&lock);
  syscall(SYS_writev, log_fd, parts, 3);
  pthread_mutex_unlock(&lock);
}

static void opened(int fd, const char *path, int flags) {
  if (fd < 0 || fd >= FDS || log_fd < 0) return;
  const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  size_t length = strlen(base);
  int told = length > 5 && !strcmp(base + length - 5, ".told");
  int ours = told || (strstr(base, ".sqlite3") && !strstr(base, "-shm"));
  free(names[fd]);
  names[fd] = ours ? strdup(base) : NULL;
  if (ours && (flags & O_CREAT)) note('O', base, (flags & O_TRUNC) ? 1 : 0, NULL, 0);
}

static const char *name_of(int fd) { return fd >= 0 && fd < FDS ? names[fd] : NULL; }

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name)

#define OPEN(symbol) \
  int symbol(const char *path, int flags, ...) { \
    REAL(int, #symbol, const char *, int, ...); \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    int fd = real(path, flags, mode); opened(fd, path, flags); return fd; }
OPEN(open)
OPEN(open64)

#define PWRITE(symbol, offset_type) \
  ssize_t symbol(int fd, const void *data, size_t size, offset_type offset) { \
    REAL(ssize_t, #symbol, int, const void *, size_t, offset_type); \
    ssize_t done = real(fd, data, size, offset); \
    if (done > 0) note('W', name_of(fd), (uint64_t)offset, data, (uint32_t)done); \
    return done; }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  ssize_t done = real(fd, data, size);
  if (done > 0 && name_of(fd)) note('T', name_of(fd), 0, data, (uint32_t)done);
  return done;
}

#define TRUNCATE(symbol, offset_type) \
  int symbol(int fd, offset_type size) { \
    REAL(int, #symbol, int, offset_type); \
    int failed = real(fd, size); if (!failed) note('C', name_of(fd), (uint64_t)size, NULL, 0); return failed; }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(symbol) \
  int symbol(int fd) { \
    REAL(int, #symbol, int); \
    int failed = real(fd); if (!failed) note('S', name_of(fd), 0, NULL, 0); return failed; }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  int failed = real(path);
  const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  if (!failed && strstr(base, ".sqlite3") && !strstr(base, "-shm")) note('U', base, 0, NULL, 0);
  return failed;
}

int close(int fd) {
  REAL(int, "close", int);
  if (fd >= 0 && fd < FDS && names[fd]) { free(names[fd]); names[fd] = NULL; }
  return real(fd);
}
