/* SPDX-License-Identifier: MIT */
#include "kernel/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log_ring.h"
#include "kernel/percpu.h"
#include "kernel/serial.h"
#include "kernel/smp.h"
#include "kernel/time.h"

#define HISTORY_LINES 256u /* power of two */
#define LINE_BYTES 200

static struct {
    struct spinlock lock;
    char line[HISTORY_LINES][LINE_BYTES]; /* [l] */
    uint32_t next;                        /* [a] written under the lock; free-running */
    uint32_t shown;                       /* CPU 0: lines before this went to the sink or the serial port */
    void (*sink)(const char *line);       /* CPU 0 */
    enum log_level level;
} ring = {.lock = SPINLOCK("log", LOCK_RANK_LOG), .level = LOG_INFO};

void log_set_sink(void (*sink)(const char *line)) {
    ring.sink = sink;
}

void log_set_level(enum log_level level) {
    ring.level = level;
}

const char *log_history(unsigned age) {
    if (age >= HISTORY_LINES || age >= ring.next)
        return NULL;
    return ring.line[(ring.next - 1 - age) % HISTORY_LINES];
}

static void show(const char *line) {
    if (ring.sink != NULL) {
        ring.sink(line);
        return;
    }
    serial_write(line, strlen(line));
    serial_write("\r\n", 2);
}

bool log_poll(void) {
    uint32_t next = __atomic_load_n(&ring.next, __ATOMIC_ACQUIRE); /* partner: the release in record */
    if (ring.shown == next)
        return false;
    if (next - ring.shown > HISTORY_LINES)
        ring.shown = next - HISTORY_LINES;
    while (ring.shown != next) {
        char line[LINE_BYTES];
        spin_lock(&ring.lock); /* its slot may be overwritten at any time */
        memcpy(line, ring.line[ring.shown % HISTORY_LINES], LINE_BYTES);
        spin_unlock(&ring.lock);
        ring.shown++;
        show(line);
    }
    return true;
}

static void record(enum log_level level, const char *fmt, va_list args) {
    static const char tag[] = "?EWID";
    uint64_t ms = time_now_ns() / NSEC_PER_MSEC;
    spin_lock(&ring.lock);
    char *line = ring.line[ring.next % HISTORY_LINES];
    int n = snprintf(line, LINE_BYTES, "[%6lu.%03lu] %c ", (unsigned long)(ms / 1000), (unsigned long)(ms % 1000), tag[level]);
    vsnprintf(line + n, LINE_BYTES - (size_t)n, fmt, args);
    for (char *c = line; *c != '\0'; c++) /* parts may come from a guest or a peer: no escape sequences */
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    __atomic_store_n(&ring.next, ring.next + 1, __ATOMIC_RELEASE); /* partner: the acquire in log_poll */
    spin_unlock(&ring.lock);
}

void log_line(enum log_level level, const char *fmt, ...) {
    if (level > ring.level)
        return;
    va_list args;
    va_start(args, fmt);
    record(level, fmt, args);
    va_end(args);
    if (cpu_id() == 0)
        log_poll();
    else
        smp_kick(cpu_get(0));
}
