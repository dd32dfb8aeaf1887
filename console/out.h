/* SPDX-License-Identifier: MIT */
/* out.h - where text goes: a write function and its context, so that everything above it is tested on the
 * host.
 * - out_write, out_puts, out_printf, out_repeat: never fail; what happens when the sink is full is the sink's
 * matter.
 * - out_printf cuts its result to OUT_PRINTF_MAX - 1 octets.
 * Lines end with '\n'; the console turns that into CR LF. */
#ifndef CONSOLE_OUT_H
#define CONSOLE_OUT_H

#include "kernel/types.h"

#define OUT_PRINTF_MAX 512

struct out {
    void (*write)(void *ctx, const char *data, size_t len);
    void *ctx;
};

void out_write(const struct out *o, const char *data, size_t len);
void out_puts(const struct out *o, const char *text);
void out_repeat(const struct out *o, char c, size_t count);
void out_printf(const struct out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
