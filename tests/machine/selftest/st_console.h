/* SPDX-License-Identifier: MIT */
/* COM1 by polling: text out, one command line in. */
#ifndef SELFTEST_CONSOLE_H
#define SELFTEST_CONSOLE_H

#include "kernel/types.h"

void console_init(void);
void console_put(const char *text);
void console_put_number(const char *label, uint64_t value);

/* console_poll - take what was typed; true when a line is complete (in `line`, without its end). */
bool console_poll(char *line, size_t size);

#endif
