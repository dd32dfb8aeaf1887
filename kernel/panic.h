/* SPDX-License-Identifier: MIT */
/* panic.h - our own bug: print what a developer needs, then restart the machine.
 * - panic(fmt): one line, backtrace of the stack, restart.   - panic_trap: the same with a CPU exception's registers.
 * - ASSERT(cond): panic unless cond. */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include "kernel/types.h"

struct trap_frame;

void panic(const char *fmt, ...) PRINTF_LIKE(1, 2) NORETURN;
void panic_trap(const struct trap_frame *f) NORETURN;

#define ASSERT(cond)                                                      \
    do {                                                                  \
        if (!(cond))                                                      \
            panic("assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__); \
    } while (0)

#endif
