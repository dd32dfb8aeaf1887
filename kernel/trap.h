/* SPDX-License-Identifier: MIT */
/* trap.h - exceptions and interrupts of the hypervisor itself.
 * An exception in root mode is our bug: it prints registers and the stack and restarts the machine (panic.h).
 * Interrupts are only taken while the CPU idles; their handlers acknowledge and return. */
#ifndef KERNEL_TRAP_H
#define KERNEL_TRAP_H

#include "kernel/types.h"

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

#define VECTOR_TIMER 0xf0u
#define VECTOR_KICK 0xf1u /* kernel/smp.h: another CPU wants this one to look around */
#define VECTOR_SPURIOUS 0xffu

void trap_handle(struct trap_frame *f);

/* trap_probe_rdmsr - read an MSR that may not exist; false when the CPU raised #GP. */
bool trap_probe_rdmsr(uint32_t msr, uint64_t *value);

#endif
