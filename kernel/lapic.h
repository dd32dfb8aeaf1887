/* SPDX-License-Identifier: MIT */
/* lapic.h - this CPU's own local APIC: only its timer, to wake an idle CPU.
 * - lapic_init: enable, mask everything but the timer.  - lapic_timer_arm: one interrupt at the given host time.
 * - lapic_eoi: from the interrupt handler.
 * Source: SDM Vol. 3A, chapter 10 "Advanced Programmable Interrupt Controller (APIC)". */
#ifndef KERNEL_LAPIC_H
#define KERNEL_LAPIC_H

#include "kernel/types.h"

void lapic_init(void);
void lapic_timer_arm(uint64_t deadline_ns);
void lapic_eoi(void);

#endif
