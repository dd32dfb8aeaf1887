/* SPDX-License-Identifier: MIT */
/* vcpu_priv.h - between the files of one vCPU: vcpu.c (resources), vcpu_vmcs.c (set-up), vcpu_run.c (loop), exit*.c. */
#ifndef VMX_VCPU_PRIV_H
#define VMX_VCPU_PRIV_H

#include "vmx/vcpu.h"

/* CR0 and CR4 bits that the hypervisor owns: the guest reads its own values from the shadow. */
#define VCPU_CR0_OWNED (CR0_NE | CR0_NW | CR0_CD)
#define VCPU_CR4_OWNED (CR4_VMXE | CR4_SMXE)

void vcpu_setup_vmcs(struct vcpu *v); /* VMCS current */
void vcpu_put(void);                  /* save the current vCPU's registers and VMCS; none is current then */
uint64_t vcpu_enter(struct vcpu *v, bool launched);

/* vcpu_set_cr0, vcpu_set_cr4 - as the guest's MOV to CR does; false: #GP. */
bool vcpu_set_cr0(struct vcpu *v, uint64_t value);
bool vcpu_set_cr4(struct vcpu *v, uint64_t value);
/* vcpu_set_efer - SCE, LME, NXE; LMA follows CR0.PG. */
bool vcpu_set_efer(struct vcpu *v, uint64_t value);

/* What the dispatch loop does after a handler. */
enum exit_action {
    EXIT_ACTION_RESUME = 0, /* enter again */
    EXIT_ACTION_HALT,
    EXIT_ACTION_SLICE,
    EXIT_ACTION_CRASH
};
/* exit_dispatch - the handler of this exit reason. */
enum exit_action exit_dispatch(struct vcpu *v, uint32_t reason);
enum exit_action exit_crash(struct vcpu *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
