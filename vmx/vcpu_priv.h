/* SPDX-License-Identifier: MIT */
/* vcpu_priv.h - between the files of one vCPU: vcpu.c (resources), vcpu_vmcs.c (set-up), vcpu_run.c (loop), exit.c (dispatch),
 * exit_regs.c (MSRs, control registers). */
#ifndef VMX_VCPU_PRIV_H
#define VMX_VCPU_PRIV_H

#include "vmx/vcpu.h"

/* CR0 and CR4 bits that the hypervisor owns: the guest reads its own values from the shadow. */
#define VCPU_CR0_OWNED (CR0_NE | CR0_NW | CR0_CD)
#define VCPU_CR4_OWNED (CR4_VMXE | CR4_SMXE)

/* #DB, #AC: a guest can make their delivery loop without end inside one entry. #MC is the machine's. */
#define VCPU_INTERCEPTED_EXCEPTIONS (1u << 1 | 1u << 17 | 1u << 18)

void vcpu_setup_vmcs(struct vcpu *v); /* VMCS current */
void vcpu_setup_host(void);           /* host state of this CPU; VMCS current */
/* vcpu_flush_linear - after paging registers changed without the guest's own MOV. */
void vcpu_flush_linear(const struct vcpu *v);
uint64_t vcpu_enter(struct vcpu *v, bool launched);

/* vcpu_set_cr0, vcpu_set_cr4 - as the guest's MOV to CR does; false: #GP. */
bool vcpu_set_cr0(struct vcpu *v, uint64_t value);
bool vcpu_set_cr4(struct vcpu *v, uint64_t value);
/* vcpu_set_efer - SCE, LME, NXE; LMA follows CR0.PG. */
bool vcpu_set_efer(struct vcpu *v, uint64_t value);

/* vcpu_xcr0_is_valid - may XCR0 hold this value on a guest that is shown `allowed`? SDM Vol. 1, 13.3. */
static inline bool vcpu_xcr0_is_valid(uint64_t value, uint64_t allowed) {
    const uint64_t avx = 4, sse = 2, x87 = 1, avx512 = 7ull << 5, mpx = 3ull << 3;
    return (value & x87) != 0 && (value & ~allowed) == 0 && ((value & avx) == 0 || (value & sse) != 0) &&
           ((value & avx512) == 0 || (value & (avx512 | avx | sse)) == (avx512 | avx | sse)) &&
           ((value & mpx) == 0 || (value & mpx) == mpx);
}

/* What the dispatch loop does after a handler. */
enum exit_action {
    EXIT_ACTION_RESUME = 0, /* enter again */
    EXIT_ACTION_HALT,
    EXIT_ACTION_YIELD, /* the guest spins: somebody else may have the CPU */
    EXIT_ACTION_CRASH
};
/* exit_dispatch - the handler of this exit reason. */
enum exit_action exit_dispatch(struct vcpu *v, uint32_t reason);
/* exit_on_* - handlers in exit_regs.c. */
enum exit_action exit_on_rdmsr(struct vcpu *v);
enum exit_action exit_on_wrmsr(struct vcpu *v);
enum exit_action exit_on_cr_access(struct vcpu *v);
enum exit_action exit_on_xsetbv(struct vcpu *v);
enum exit_action exit_inject_gp(struct vcpu *v); /* #GP(0), the instruction not skipped */
enum exit_action exit_crash(struct vcpu *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
