/* SPDX-License-Identifier: MIT */
#include "kernel/trap.h"

#include "kernel/cpu.h"
#include "kernel/lapic.h"
#include "kernel/panic.h"
#include "kernel/smp.h"

/* The one place where root mode may fault: the rdmsr in trap_probe_rdmsr. */
extern const uint8_t probe_rdmsr_at[], probe_rdmsr_after[];

#define VECTOR_NMI 2
#define VECTOR_GP 13
#define NR_EXCEPTIONS 32

bool trap_probe_rdmsr(uint32_t msr, uint64_t *value) {
    uint32_t lo = 0, hi = 0;
    uint64_t ok = 1;
    __asm__ volatile(".globl probe_rdmsr_at, probe_rdmsr_after\n"
                     "probe_rdmsr_at: rdmsr\n"
                     "probe_rdmsr_after:"
                     : "+a"(lo), "+d"(hi), "+S"(ok)
                     : "c"(msr));
    if (ok != 0)
        *value = ((uint64_t)hi << 32) | lo;
    return ok != 0;
}

void trap_handle(struct trap_frame *f) {
    if (f->vector == VECTOR_GP && f->rip == (uint64_t)probe_rdmsr_at) {
        f->rip = (uint64_t)probe_rdmsr_after;
        f->rsi = 0;
        return;
    }
    if (f->vector == VECTOR_NMI) {
        smp_on_nmi(f->rip, f->rsp);
        return;
    }
    if (f->vector < NR_EXCEPTIONS)
        panic_trap(f);
    if (f->vector != VECTOR_SPURIOUS)
        lapic_eoi();
}
