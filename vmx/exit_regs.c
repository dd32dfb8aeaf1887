/* SPDX-License-Identifier: MIT */
/* exit_regs.c - exits that read or write a register of the vCPU: MSRs, control registers, XCR0. */
#include "kernel/cpu.h"
#include "kernel/hw/msr_regs.h"
#include "vmx/vcpu_priv.h"
#include "vmx/vmcs.h"
#include "vmx/vmx_caps.h"

/* MSRs that live in the VMCS or in this CPU; false: ask the upper layer. */
static bool own_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value) {
    (void)v;
    switch (msr) {
    case MSR_IA32_EFER:
        *value = vmcs_read_64(VMCS_GUEST_EFER);
        return true;
    case MSR_IA32_PAT:
        *value = vmcs_read_64(VMCS_GUEST_PAT);
        return true;
    case MSR_IA32_TSC_AUX:
        if (!vmx_get_caps()->rdtscp)
            return false;
        *value = cpu_rdmsr(MSR_IA32_TSC_AUX);
        return true;
    default:
        return false;
    }
}

enum exit_action exit_on_rdmsr(struct vcpu *v) {
    uint32_t msr = (uint32_t)v->regs[REG_RCX];
    uint64_t value;
    if (!v->ops->rdmsr(v->ctx, msr, &value) && !own_rdmsr(v, msr, &value))
        return exit_inject_gp(v);
    v->regs[REG_RAX] = (uint32_t)value;
    v->regs[REG_RDX] = value >> 32;
    vcpu_skip_instruction(v);
    return EXIT_ACTION_RESUME;
}

static bool pat_is_valid(uint64_t pat) {
    for (unsigned i = 0; i < 8; i++) {
        uint64_t type = pat >> (8 * i) & 0xff;
        if (type == 2 || type == 3 || type > 7)
            return false;
    }
    return true;
}

static bool own_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value) {
    switch (msr) {
    case MSR_IA32_EFER:
        return vcpu_set_efer(v, value);
    case MSR_IA32_PAT:
        if (!pat_is_valid(value))
            return false;
        vmcs_write_64(VMCS_GUEST_PAT, value);
        return true;
    case MSR_IA32_TSC_AUX:
        if (value > UINT32_MAX || !vmx_get_caps()->rdtscp)
            return false;
        cpu_wrmsr(MSR_IA32_TSC_AUX, value);
        return true;
    default:
        return false;
    }
}

enum exit_action exit_on_wrmsr(struct vcpu *v) {
    uint32_t msr = (uint32_t)v->regs[REG_RCX];
    uint64_t value = (uint32_t)v->regs[REG_RAX] | v->regs[REG_RDX] << 32;
    if (!v->ops->wrmsr(v->ctx, msr, value) && !own_wrmsr(v, msr, value))
        return exit_inject_gp(v);
    v->recheck = true;
    vcpu_skip_instruction(v);
    return EXIT_ACTION_RESUME;
}

static uint64_t get_reg(struct vcpu *v, unsigned index) {
    return index == REG_RSP ? vmcs_read_nat(VMCS_GUEST_RSP) : v->regs[index];
}

static void set_reg(struct vcpu *v, unsigned index, uint64_t value) {
    if (index == REG_RSP)
        vmcs_write_nat(VMCS_GUEST_RSP, value);
    else
        v->regs[index] = value;
}

/* Qualification: CR number 3:0, access type 5:4, register 11:8. SDM table 27-3. */
enum exit_action exit_on_cr_access(struct vcpu *v) {
    enum { MOV_TO_CR = 0, MOV_FROM_CR = 1, CLTS = 2, LMSW = 3 };
    uint64_t q = vmcs_read_nat(VMCS_EXIT_QUALIFICATION);
    unsigned cr = q & 15, type = q >> 4 & 3, reg = q >> 8 & 15;
    bool ok = false;
    if (type == MOV_TO_CR && cr == 0)
        ok = vcpu_set_cr0(v, get_reg(v, reg));
    else if (type == MOV_TO_CR && cr == 4)
        ok = vcpu_set_cr4(v, get_reg(v, reg));
    else if (type == MOV_TO_CR && cr == 8) {
        ok = get_reg(v, reg) < 16;
        if (ok)
            v->ops->set_cr8(v->ctx, (uint8_t)get_reg(v, reg));
        v->recheck = true;
    } else if (type == MOV_FROM_CR && cr == 8) {
        set_reg(v, reg, v->ops->get_cr8(v->ctx));
        ok = true;
    } else {
        return exit_crash(v, "control-register access %#lx is not intercepted but exited", (unsigned long)q);
    }
    if (!ok)
        return exit_inject_gp(v);
    vcpu_skip_instruction(v);
    return EXIT_ACTION_RESUME;
}

enum exit_action exit_on_xsetbv(struct vcpu *v) {
    uint64_t value = (uint32_t)v->regs[REG_RAX] | v->regs[REG_RDX] << 32;
    bool ok = (uint32_t)v->regs[REG_RCX] == 0 && vcpu_xcr0_is_valid(value, v->ops->xcr0_allowed(v->ctx));
    if (!ok)
        return exit_inject_gp(v);
    v->xcr0 = value;
    cpu_write_xcr0(value);
    vcpu_skip_instruction(v);
    return EXIT_ACTION_RESUME;
}
