/* SPDX-License-Identifier: MIT */
/* exit_names.c - basic exit reasons by name. Source: SDM Vol. 3D, appendix C "VMX Basic Exit Reasons". */
#include "kernel/hw/vmx_regs.h"
#include "vmx/vcpu.h"

static const char *const names[NR_EXIT_REASONS] = {
    [EXIT_EXCEPTION_NMI] = "exception or NMI",
    [EXIT_EXTERNAL_INTERRUPT] = "external interrupt",
    [EXIT_TRIPLE_FAULT] = "triple fault",
    [EXIT_INTERRUPT_WINDOW] = "interrupt window",
    [EXIT_NMI_WINDOW] = "NMI window",
    [EXIT_TASK_SWITCH] = "task switch",
    [EXIT_CPUID] = "CPUID",
    [EXIT_HLT] = "HLT",
    [EXIT_INVD] = "INVD",
    [EXIT_VMCALL] = "VMCALL",
    [EXIT_CR_ACCESS] = "control register",
    [EXIT_MOV_DR] = "debug register",
    [EXIT_IO] = "I/O instruction",
    [EXIT_RDMSR] = "RDMSR",
    [EXIT_WRMSR] = "WRMSR",
    [EXIT_PAUSE] = "PAUSE loop",
    [EXIT_TPR_BELOW] = "TPR below threshold",
    [EXIT_APIC_ACCESS] = "APIC access",
    [EXIT_VIRTUAL_EOI] = "virtual EOI",
    [EXIT_EPT_VIOLATION] = "EPT violation",
    [EXIT_PREEMPTION_TIMER] = "preemption timer",
    [EXIT_WBINVD] = "WBINVD",
    [EXIT_XSETBV] = "XSETBV",
    [EXIT_APIC_WRITE] = "APIC write",
    [EXIT_PML_FULL] = "PML full",
};

const char *vcpu_exit_name(unsigned reason) {
    return reason < NR_EXIT_REASONS && names[reason] != NULL ? names[reason] : "other";
}
