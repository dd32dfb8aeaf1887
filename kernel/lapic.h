/* SPDX-License-Identifier: MIT */
/* lapic.h - this CPU's own local APIC: its timer, to wake an idle CPU, and messages to other CPUs.
 * - lapic_init: CPU 0; enable, mask everything but the timer.   - lapic_init_cpu: any other CPU, in the same mode.
 * - lapic_timer_arm: one interrupt at the given host time.      - lapic_eoi: from the interrupt handler.
 * - lapic_id: this CPU's.   - lapic_send_*: to the CPU with this APIC ID.
 * Source: SDM Vol. 3A, chapter 10 "Advanced Programmable Interrupt Controller (APIC)". */
#ifndef KERNEL_LAPIC_H
#define KERNEL_LAPIC_H

#include "kernel/types.h"

void lapic_init(void);
void lapic_timer_arm(uint64_t deadline_ns);
void lapic_eoi(void);
void lapic_init_cpu(void);
uint32_t lapic_id(void);
void lapic_send_ipi(uint32_t apic_id, uint8_t vector);
void lapic_send_nmi(uint32_t apic_id);
void lapic_send_init(uint32_t apic_id);
/* lapic_send_sipi - the CPU starts in real mode at page << 12. */
void lapic_send_sipi(uint32_t apic_id, uint8_t page);

#endif
