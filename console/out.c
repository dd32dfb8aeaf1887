/* SPDX-License-Identifier: MIT */
/* out.c - see out.h. */
#include "console/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void out_write(const struct out *o, const char *data, size_t len) {
    if (len != 0)
        o->write(o->ctx, data, len);
}

void out_puts(const struct out *o, const char *text) {
    out_write(o, text, strlen(text));
}

void out_repeat(const struct out *o, char c, size_t count) {
    char run[32];
    memset(run, c, sizeof(run));
    for (; count > sizeof(run); count -= sizeof(run))
        out_write(o, run, sizeof(run));
    out_write(o, run, count);
}

void out_printf(const struct out *o, const char *fmt, ...) {
    char text[OUT_PRINTF_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n > 0)
        out_write(o, text, MIN((size_t)n, sizeof(text) - 1));
}
