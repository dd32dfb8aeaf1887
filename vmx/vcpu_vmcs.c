/* SPDX-License-Identifier: MIT */
/* vcpu_vmcs.c - the VMCS of a new vCPU, from tables of {field, value}. Guest state comes from vcpu_set_state. */
#include "kernel/cpu.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/hw/vmx_regs.h"
#include "kernel/percpu.h"
#include "vmx/vcpu_priv.h"
#include "vmx/vmcs.h"
#include "vmx/vmx_caps.h"

/* TSC ticks: PAUSEs closer than the gap are one loop, which exits after the window. SDM 25.1.3. */
#define PLE_GAP 128u
#define PLE_WINDOW 4096u

extern const uint8_t vcpu_exit_point[];

static void setup_controls(struct vcpu *v) {
    const struct vmx_caps *caps = vmx_get_caps();
    const struct {
        vmcs_32_t field;
        uint32_t value;
    } words[] = {
        {VMCS_PIN_CTLS, caps->pin},
        {VMCS_PROC_CTLS, caps->proc & ~(VMX_PROC_CR3_LOAD | VMX_PROC_CR3_STORE)},
        {VMCS_PROC_CTLS2, caps->proc2 & ~VMX_PROC2_PAUSE_LOOP},
        {VMCS_EXIT_CTLS, caps->exit},
        {VMCS_ENTRY_CTLS, caps->entry},
        {VMCS_EXCEPTION_BITMAP, VCPU_INTERCEPTED_EXCEPTIONS},
        {VMCS_PF_ERROR_MASK, 0},
        {VMCS_PF_ERROR_MATCH, 0},
        {VMCS_CR3_TARGET_COUNT, 0},
        {VMCS_EXIT_MSR_STORE_COUNT, 0},
        {VMCS_EXIT_MSR_LOAD_COUNT, 0},
        {VMCS_ENTRY_MSR_LOAD_COUNT, 0},
        {VMCS_ENTRY_INTR_INFO, 0},
        {VMCS_PREEMPTION_TIMER, UINT32_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        vmcs_write_32(words[i].field, words[i].value);
    const struct {
        vmcs_64_t field;
        uint64_t value;
    } quads[] = {
        {VMCS_IO_BITMAP_A, v->io_bitmap},
        {VMCS_IO_BITMAP_B, v->io_bitmap + PAGE_SIZE},
        {VMCS_MSR_BITMAP, v->msr_bitmap},
        {VMCS_EPT_POINTER, ept_pointer(v->ept)},
        {VMCS_LINK_POINTER, UINT64_MAX},
        {VMCS_TSC_OFFSET, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(quads); i++)
        vmcs_write_64(quads[i].field, quads[i].value);
    vmcs_write_nat(VMCS_CR0_MASK, VCPU_CR0_OWNED | ~caps->cr0_fixed1);
    vmcs_write_nat(VMCS_CR4_MASK, VCPU_CR4_OWNED | ~caps->cr4_fixed1);
    if (caps->vpid)
        vmcs_write_16(VMCS_VPID, v->vpid);
    if (caps->pause_loop) {
        vmcs_write_32(VMCS_PLE_GAP, PLE_GAP);
        vmcs_write_32(VMCS_PLE_WINDOW, PLE_WINDOW);
    }
}

void vcpu_setup_host(void) {
    const struct {
        vmcs_16_t field;
        uint16_t value;
    } selectors[] = {
        {VMCS_HOST_CS_SEL, GDT_KERNEL_CODE}, {VMCS_HOST_SS_SEL, GDT_KERNEL_DATA}, {VMCS_HOST_DS_SEL, GDT_KERNEL_DATA},
        {VMCS_HOST_ES_SEL, GDT_KERNEL_DATA}, {VMCS_HOST_FS_SEL, 0}, {VMCS_HOST_GS_SEL, 0}, {VMCS_HOST_TR_SEL, GDT_TSS},
    };
    for (size_t i = 0; i < ARRAY_LEN(selectors); i++)
        vmcs_write_16(selectors[i].field, selectors[i].value);
    const struct {
        vmcs_nat_t field;
        uint64_t value;
    } words[] = {
        {VMCS_HOST_CR0, cpu_read_cr0()},
        {VMCS_HOST_CR3, cpu_read_cr3()},
        {VMCS_HOST_CR4, cpu_read_cr4()},
        {VMCS_HOST_FS_BASE, 0},
        {VMCS_HOST_GS_BASE, (uint64_t)this_cpu()},
        {VMCS_HOST_TR_BASE, cpu_tss_base()},
        {VMCS_HOST_GDTR_BASE, cpu_gdt_base()},
        {VMCS_HOST_IDTR_BASE, cpu_idt_base()},
        {VMCS_HOST_SYSENTER_ESP, 0},
        {VMCS_HOST_SYSENTER_EIP, 0},
        {VMCS_HOST_RIP, (uint64_t)vcpu_exit_point},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        vmcs_write_nat(words[i].field, words[i].value);
    vmcs_write_32(VMCS_HOST_SYSENTER_CS, 0);
    vmcs_write_64(VMCS_HOST_PAT, cpu_rdmsr(MSR_IA32_PAT));
    vmcs_write_64(VMCS_HOST_EFER, cpu_rdmsr(MSR_IA32_EFER));
}

void vcpu_setup_vmcs(struct vcpu *v) {
    setup_controls(v);
    vcpu_setup_host();
}

void vcpu_set_pause_exiting(struct vcpu *v, bool on) {
    if (!vmx_get_caps()->pause_loop)
        return;
    vcpu_make_current(v);
    uint32_t ctls = vmcs_read_32(VMCS_PROC_CTLS2) & ~VMX_PROC2_PAUSE_LOOP;
    vmcs_write_32(VMCS_PROC_CTLS2, ctls | (on ? VMX_PROC2_PAUSE_LOOP : 0));
}
