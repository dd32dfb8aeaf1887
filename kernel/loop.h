/* SPDX-License-Identifier: MIT */
/* loop.h - the one loop of each CPU: messages, then every task in turn, then idle until the next deadline or a kick
 * (design section 1.6).
 * - loop_add: a task of the CPU that runs; poll() does bounded work and says whether it did something; next_ns() says when it
 *   must be called again at the latest (UINT64_MAX: no need).
 * - loop_run: never returns. CPU 0 halts at most LOOP_IDLE_MAX_NS, since the NIC and the UART are polled. */
#ifndef KERNEL_LOOP_H
#define KERNEL_LOOP_H

#include "kernel/percpu.h"

#define LOOP_IDLE_MAX_NS (100 * NSEC_PER_USEC)

void loop_add(const struct loop_task *task);
void loop_run(void) NORETURN;

#endif
