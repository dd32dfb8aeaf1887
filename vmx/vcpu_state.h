/* SPDX-License-Identifier: MIT */
/* vcpu_state.h - a vCPU's architectural state as plain data: what a snapshot holds and what a boot protocol sets.
 * Nothing of the VMCS's implementation is in it. */
#ifndef VMX_VCPU_STATE_H
#define VMX_VCPU_STATE_H

#include "vmx/vcpu.h"

enum vcpu_segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, NR_SEGMENTS };

struct vcpu_segment_state {
    uint16_t selector;
    uint32_t limit;
    uint32_t access; /* access rights in the VMCS's format: bits 7:0 and 15:12 of the descriptor, bit 16 = unusable */
    uint64_t base;
};

struct vcpu_state {
    uint64_t regs[NR_REGS]; /* RSP included */
    uint64_t rip, rflags;
    uint64_t cr0, cr2, cr3, cr4; /* as the guest reads them */
    uint64_t dr[4], dr6, dr7;
    struct vcpu_segment_state segment[NR_SEGMENTS];
    uint64_t gdtr_base, idtr_base;
    uint32_t gdtr_limit, idtr_limit;
    uint64_t efer, pat, debugctl;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    uint64_t pdpte[4];
    uint64_t pending_debug;
    uint32_t interruptibility;
    uint32_t event_info, event_error, event_len; /* an event whose delivery an exit interrupted; info bit 31 = valid */
    uint8_t activity; /* enum vcpu_activity */
    uint64_t xcr0;
    uint8_t xsave[VCPU_XSAVE_BYTES]; /* standard (non-compacted) XSAVE format */
};

void vcpu_get_state(struct vcpu *v, struct vcpu_state *s);
/* vcpu_set_state - ERR_INVAL with a reason when a value would make VM entry fail (reserved CR bits, XCR0). */
result_t vcpu_set_state(struct vcpu *v, const struct vcpu_state *s, struct reason *why) MUST_CHECK;

/* vcpu_state_reset - the state after RESET, SDM Vol. 3A table 9-1 "IA-32 Processor States Following Power-up, Reset, or INIT". */
void vcpu_state_reset(struct vcpu_state *s);

/* vcpu_take_init - INIT: registers as that table says (FPU and most MSRs keep their values), and the vCPU waits for SIPI.
 * vcpu_take_sipi - it starts in real mode at vector << 12; nothing happens unless it waits.
 * Context: the CPU that runs the vCPU. */
void vcpu_take_init(struct vcpu *v);
void vcpu_take_sipi(struct vcpu *v, uint8_t vector);

#endif
