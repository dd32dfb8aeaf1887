/* SPDX-License-Identifier: MIT */
/* host_log.c - the log for hosted tests: silent unless GODWIT_LOG is set. */
#include "kernel/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void log_line(enum log_level level, const char *fmt, ...) {
    static const char tag[] = "?EWID";
    if (getenv("GODWIT_LOG") == NULL)
        return;
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "[%c] ", tag[level]);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}
