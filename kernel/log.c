/* SPDX-License-Identifier: MIT */
#include "kernel/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log_ring.h"
#include "kernel/serial.h"
#include "kernel/time.h"

#define HISTORY_LINES 256u /* power of two */
#define LINE_BYTES 200

static struct {
    char line[HISTORY_LINES][LINE_BYTES];
    uint32_t next; /* free-running */
    void (*sink)(const char *line);
    enum log_level level;
} ring = {.level = LOG_INFO};

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

void log_line(enum log_level level, const char *fmt, ...) {
    static const char tag[] = "?EWID";
    if (level > ring.level)
        return;
    uint64_t ms = time_now_ns() / NSEC_PER_MSEC;
    char *line = ring.line[ring.next++ % HISTORY_LINES];
    int n = snprintf(line, LINE_BYTES, "[%6lu.%03lu] %c ", (unsigned long)(ms / 1000), (unsigned long)(ms % 1000), tag[level]);
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + n, LINE_BYTES - (size_t)n, fmt, args);
    va_end(args);
    for (char *c = line; *c != '\0'; c++) /* parts may come from a guest or a peer: no escape sequences */
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    if (ring.sink != NULL) {
        ring.sink(line);
        return;
    }
    serial_write(line, strlen(line));
    serial_write("\r\n", 2);
}
