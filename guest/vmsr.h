/* SPDX-License-Identifier: MIT */
/* vmsr.h - what a guest finds behind RDMSR and WRMSR, except what lives in the VMCS.
 * - vmsr_init: reset values.   - vmsr_read / vmsr_write: one instruction.   - vmsr_snapshot: the field list.
 * VMSR_NOT_MINE: the vCPU keeps it (EFER, PAT, TSC_AUX, SYSENTER_*, STAR, LSTAR, CSTAR, FMASK, FS/GS bases).
 * VMSR_GP: inject #GP(0). An MSR that nobody knows is one log line the first few times, then silent.
 * Writes to TSC_DEADLINE and the x2APIC's EOI take the short way.
 * Context: the CPU that runs the VM.
 * Source: SDM Vol. 4 "Model-Specific Registers"; Linux, Documentation/virt/kvm/x86/msr.rst. */
#ifndef GUEST_VMSR_H
#define GUEST_VMSR_H

#include "guest/vcpuid.h"
#include "guest/vlapic.h"
#include "kernel/hw/msr_regs.h"

enum vmsr_result { VMSR_OK = 0, VMSR_GP, VMSR_NOT_MINE };

/* Effects outside of this table; each may be NULL. */
struct vmsr_ops {
    void *ctx;
    /* The guest moved its TSC: guest-visible TSC = vclock TSC + adjust (modulo 2^64). The APIC knows. */
    void (*set_tsc_adjust)(void *ctx, uint64_t adjust);
    /* KVM clock MSRs (0x11, 0x12, 0x4b564d00, 0x4b564d01): false = #GP. */
    bool (*kvm_read)(void *ctx, uint32_t msr, uint64_t *value);
    bool (*kvm_write)(void *ctx, uint32_t msr, uint64_t value);
    /* SPEC_CTRL and PRED_CMD, FLUSH_CMD, when CPUID shows them. */
    void (*spec_write)(void *ctx, uint32_t msr, uint64_t value);
};

#define VMSR_NR_VAR_MTRRS 8u
#define VMSR_NR_FIXED_MTRRS 11u
#define VMSR_NR_LOGGED 16u /* unknown MSR numbers that are remembered */
#define VMSR_LOG_LIMIT 2u  /* lines for each of them */

struct vmsr {
    uint64_t misc_enable;
    uint64_t mcg_status;
    uint64_t spec_ctrl;
    uint64_t mtrr_def_type;
    uint64_t mtrr_fixed[VMSR_NR_FIXED_MTRRS];
    uint64_t mtrr_var[2 * VMSR_NR_VAR_MTRRS]; /* base, mask, base, mask .. */
    const struct vcpuid *cpuid;
    struct vlapic *lapic;
    struct vmsr_ops ops;
    struct {
        uint32_t msr;
        uint32_t count;
    } logged[VMSR_NR_LOGGED]; /* not state: a copy starts to count again */
    unsigned nr_logged;
};

/* vmsr_init - MTRRs as firmware leaves them: write-back, the PCI hole [3 GiB, 4 GiB) uncached.
 * cpuid, lapic outlive m; lapic is this vCPU's. ops may be NULL. */
void vmsr_init(struct vmsr *m, const struct vcpuid *cpuid, struct vlapic *lapic, const struct vmsr_ops *ops);
enum vmsr_result vmsr_read(struct vmsr *m, uint32_t msr, uint64_t *value) MUST_CHECK;
enum vmsr_result vmsr_write_slow(struct vmsr *m, uint32_t msr, uint64_t value) MUST_CHECK;

/* vmsr_write - WRMSR. */
static inline enum vmsr_result vmsr_write(struct vmsr *m, uint32_t msr, uint64_t value) {
    if (msr == MSR_IA32_TSC_DEADLINE) {
        vlapic_write_tsc_deadline(m->lapic, value);
        return VMSR_OK;
    }
    if (msr - MSR_IA32_X2APIC_FIRST <= MSR_IA32_X2APIC_LAST - MSR_IA32_X2APIC_FIRST)
        return vlapic_msr_write(m->lapic, msr, value) ? VMSR_OK : VMSR_GP;
    return vmsr_write_slow(m, msr, value);
}

void vmsr_snapshot(struct vmsr *m, struct snap *s);

/* vmsr_table_is_sorted - for the unit test: lookups rely on it. */
bool vmsr_table_is_sorted(void);

#endif
