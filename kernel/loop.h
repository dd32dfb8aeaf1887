/* SPDX-License-Identifier: MIT */
/* loop.h - the one loop of a CPU: poll every task in turn, then idle until the next deadline (design section 1.6).
 * - loop_add: a task; poll() does bounded work and says whether it did something; next_ns() says when it must be called
 *   again at the latest (UINT64_MAX: no need).
 * - loop_run: never returns. An idle CPU halts at most LOOP_IDLE_MAX_NS, since the NIC and the UART are polled. */
#ifndef KERNEL_LOOP_H
#define KERNEL_LOOP_H

#include "kernel/types.h"

#define LOOP_MAX_TASKS 12
#define LOOP_IDLE_MAX_NS (100 * NSEC_PER_USEC)

struct loop_task {
    const char *name;
    bool (*poll)(void);
    uint64_t (*next_ns)(void); /* may be NULL */
};

void loop_add(const struct loop_task *task);
void loop_run(void) NORETURN;
/* loop_idle_ns - how long this CPU has halted since boot. */
uint64_t loop_idle_ns(void);

#endif
