/* SPDX-License-Identifier: MIT */
/* heap.c - sbrk, and the other system calls that newlib's objects refer to. Files do not exist here: they fail. */
#include "kernel/heap.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "kernel/panic.h"
#include "kernel/serial.h"
#include "kernel/time.h"

static struct {
    uint8_t *base;
    uint64_t used, total;
} heap;

void heap_init(void *base, uint64_t bytes) {
    heap.base = base;
    heap.used = 0;
    heap.total = bytes;
}

uint64_t heap_used_bytes(void) {
    return heap.used;
}

uint64_t heap_total_bytes(void) {
    return heap.total;
}

void *sbrk(ptrdiff_t increment) {
    if (increment < 0 ? (uint64_t)-increment > heap.used : (uint64_t)increment > heap.total - heap.used) {
        errno = ENOMEM;
        return (void *)-1;
    }
    uint8_t *old = heap.base + heap.used;
    heap.used += (uint64_t)increment;
    return old;
}

_READ_WRITE_RETURN_TYPE write(int fd, const void *buf, size_t len) {
    (void)fd;
    return (_READ_WRITE_RETURN_TYPE)serial_write(buf, len);
}

_READ_WRITE_RETURN_TYPE read(int fd, void *buf, size_t len) {
    (void)fd, (void)buf, (void)len;
    return 0;
}

int close(int fd) {
    (void)fd;
    errno = EBADF;
    return -1;
}

off_t lseek(int fd, off_t offset, int whence) {
    (void)fd, (void)offset, (void)whence;
    errno = ESPIPE;
    return -1;
}

int fstat(int fd, struct stat *st) {
    (void)fd;
    st->st_mode = S_IFCHR;
    return 0;
}

int isatty(int fd) {
    (void)fd;
    return 1;
}

pid_t getpid(void) {
    return 1;
}

int kill(pid_t pid, int sig) {
    (void)pid;
    panic("the C library raised signal %d", sig);
}

void _exit(int status) {
    panic("the C library called exit(%d)", status);
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
    (void)zone;
    uint64_t ns = time_wall_ns();
    tv->tv_sec = (time_t)(ns / NSEC_PER_SEC);
    tv->tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / 1000);
    return 0;
}
