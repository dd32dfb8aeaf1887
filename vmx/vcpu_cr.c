/* SPDX-License-Identifier: MIT */
/* vcpu_cr.c - CR0, CR4 and EFER writes of the guest that the hypervisor sees, by the rules of MOV to CR.
 * Source: SDM Vol. 3A, 2.5 "Control Registers"; Vol. 2B, "MOV - Move to/from Control Registers". */
#include "kernel/cpu.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/hw/vmx_regs.h"
#include "vmx/vcpu_priv.h"
#include "vmx/vmcs.h"
#include "vmx/vmx_caps.h"

static void set_long_mode(bool on) {
    uint64_t efer = vmcs_read_64(VMCS_GUEST_EFER);
    uint32_t entry = vmcs_read_32(VMCS_ENTRY_CTLS);
    vmcs_write_64(VMCS_GUEST_EFER, on ? efer | EFER_LMA : efer & ~EFER_LMA);
    vmcs_write_32(VMCS_ENTRY_CTLS, on ? entry | VMX_ENTRY_IA32E : entry & ~VMX_ENTRY_IA32E);
}

bool vcpu_set_cr0(struct vcpu *v, uint64_t value) {
    bool paging = (value & CR0_PG) != 0;
    if (value > UINT32_MAX || (paging && (value & CR0_PE) == 0) || ((value & CR0_NW) != 0 && (value & CR0_CD) == 0))
        return false;
    bool was_paging = (vmcs_read_nat(VMCS_GUEST_CR0) & CR0_PG) != 0;
    bool lme = (vmcs_read_64(VMCS_GUEST_EFER) & EFER_LME) != 0;
    if (paging && !was_paging && lme && (vmcs_read_nat(VMCS_GUEST_CR4) & CR4_PAE) == 0)
        return false;
    bool pcid = (vmcs_read_nat(VMCS_GUEST_CR4) & CR4_PCIDE) != 0;
    bool code64 = (vmcs_read_64(VMCS_GUEST_EFER) & EFER_LMA) != 0 && (vmcs_read_32(VMCS_GUEST_CS_AR) & BIT(13)) != 0;
    if (!paging && was_paging && (pcid || code64))
        return false;
    if (paging != was_paging)
        set_long_mode(paging && lme);
    if (((value ^ vmcs_read_nat(VMCS_GUEST_CR0)) & (CR0_PG | CR0_PE | CR0_WP)) != 0)
        vcpu_flush_linear(v);
    value |= CR0_ET;
    vmcs_write_nat(VMCS_CR0_SHADOW, value);
    vmcs_write_nat(VMCS_GUEST_CR0, (value | CR0_NE) & ~(CR0_CD | CR0_NW));
    return true;
}

uint64_t vcpu_read_cr4(struct vcpu *v) {
    (void)v;
    uint64_t owned = vmcs_read_nat(VMCS_CR4_MASK);
    return (vmcs_read_nat(VMCS_GUEST_CR4) & ~owned) | (vmcs_read_nat(VMCS_CR4_SHADOW) & owned);
}

bool vcpu_set_cr4(struct vcpu *v, uint64_t value) {
    bool long_mode = (vmcs_read_64(VMCS_GUEST_EFER) & EFER_LMA) != 0;
    if ((value & ~v->ops->cr4_allowed(v->ctx)) != 0 || (long_mode && (value & CR4_PAE) == 0))
        return false;
    vmcs_write_nat(VMCS_CR4_SHADOW, value);
    vmcs_write_nat(VMCS_GUEST_CR4, value | CR4_VMXE);
    return true;
}

bool vcpu_set_efer(struct vcpu *v, uint64_t value) {
    (void)v;
    uint64_t old = vmcs_read_64(VMCS_GUEST_EFER);
    bool paging = (vmcs_read_nat(VMCS_GUEST_CR0) & CR0_PG) != 0;
    if ((value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) != 0)
        return false;
    if (paging && ((value ^ old) & EFER_LME) != 0)
        return false;
    vmcs_write_64(VMCS_GUEST_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
    return true;
}
