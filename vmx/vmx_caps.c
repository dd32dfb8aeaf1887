/* SPDX-License-Identifier: MIT */
#include "vmx/vmx_caps.h"

#include <stdio.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/hw/vmx_regs.h"

struct control {
    uint32_t bit;
    bool required;
    const char *name;
    const char *purpose;
};

static const struct control pin_controls[] = {
    {VMX_PIN_EXT_INTR, true, "external-interrupt exiting", "the hypervisor keeps the machine's interrupts"},
    {VMX_PIN_NMI, true, "NMI exiting", "the hypervisor keeps NMIs"},
    {VMX_PIN_VIRTUAL_NMI, true, "virtual NMIs", "guests get NMIs of their own"},
    {VMX_PIN_PREEMPTION_TIMER, true, "VMX-preemption timer", "time slices and guest timers"},
};
static const struct control proc_controls[] = {
    {VMX_PROC_SECONDARY, true, "secondary controls", "EPT"},
    {VMX_PROC_HLT, true, "HLT exiting", "idle guests give the CPU back"},
    {VMX_PROC_TSC_OFFSET, true, "TSC offsetting", "guest time moves with the guest"},
    {VMX_PROC_IO_BITMAPS, true, "I/O bitmaps", "guests reach no port of the machine"},
    {VMX_PROC_MSR_BITMAPS, true, "MSR bitmaps", "guests reach no MSR of the machine"},
    {VMX_PROC_CR8_LOAD, true, "CR8-load exiting", "task priority of the virtual APIC"},
    {VMX_PROC_CR8_STORE, true, "CR8-store exiting", "task priority of the virtual APIC"},
    {VMX_PROC_MWAIT, true, "MWAIT exiting", "guests may not stop the CPU"},
    {VMX_PROC_MONITOR, true, "MONITOR exiting", "guests may not stop the CPU"},
    {VMX_PROC_RDPMC, true, "RDPMC exiting", "counters belong to the hypervisor"},
};
static const struct control proc2_controls[] = {
    {VMX_PROC2_EPT, true, "EPT", "guest memory"},
    {VMX_PROC2_UNRESTRICTED, true, "unrestricted guest", "guests in real mode and without paging"},
    {VMX_PROC2_VPID, false, "VPID", "TLB entries survive exits"},
    {VMX_PROC2_RDTSCP, false, "RDTSCP", "the guest's RDTSCP"},
    {VMX_PROC2_PAUSE_LOOP, false, "PAUSE-loop exiting", "a spinning vCPU gives its CPU to the lock's holder"},
    {VMX_PROC2_INVPCID, false, "INVPCID", "the guest's INVPCID"},
    {VMX_PROC2_WBINVD, false, "WBINVD exiting", "a guest cannot stall the machine by flushing caches"},
};
static const struct control exit_controls[] = {
    {VMX_EXIT_HOST_64, true, "64-bit host", "the hypervisor is 64-bit"},
    {VMX_EXIT_ACK_INTR, true, "acknowledge interrupt on exit", "interrupts are taken at the exit"},
    {VMX_EXIT_SAVE_PAT, true, "save PAT", "guest state"},
    {VMX_EXIT_LOAD_PAT, true, "load PAT", "guest state"},
    {VMX_EXIT_SAVE_EFER, true, "save EFER", "guest state"},
    {VMX_EXIT_LOAD_EFER, true, "load EFER", "guest state"},
    {VMX_EXIT_SAVE_DEBUG, true, "save debug controls", "guest state"},
    {VMX_EXIT_SAVE_PREEMPTION, true, "save preemption timer", "slices go on over exits"},
};
static const struct control entry_controls[] = {
    {VMX_ENTRY_LOAD_PAT, true, "load PAT at entry", "guest state"},
    {VMX_ENTRY_LOAD_EFER, true, "load EFER at entry", "guest state"},
    {VMX_ENTRY_LOAD_DEBUG, true, "load debug controls", "guest state"},
};

/* One control word: capability MSR low half = bits that must be 1, high half = bits that may be 1. */
static result_t choose(uint32_t msr, const struct control *list, size_t n, uint32_t *used, struct reason *why) {
    uint64_t cap = cpu_rdmsr(msr);
    uint32_t must = (uint32_t)cap, may = (uint32_t)(cap >> 32);
    uint32_t wanted = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].required && (may & list[i].bit) == 0)
            return reason_set(why, ERR_NODEV, "VT-x of this CPU lacks \"%s\" (needed: %s); guests cannot run here",
                              list[i].name, list[i].purpose);
        wanted |= list[i].bit;
    }
    *used = must | (wanted & may);
    return OK;
}

static result_t check_enabled(struct reason *why) {
    if ((cpu_cpuid(1, 0).ecx & CPUID_1_ECX_VMX) == 0)
        return reason_set(why, ERR_NODEV, "this CPU has no VT-x (CPUID.1:ECX.VMX is 0); guests need an Intel CPU with VT-x");
    uint64_t fc = cpu_rdmsr(MSR_IA32_FEATURE_CONTROL);
    if ((fc & FEATURE_CONTROL_LOCK) != 0 && (fc & FEATURE_CONTROL_VMX_OUTSIDE_SMX) == 0)
        return reason_set(why, ERR_NODEV, "VT-x is locked off by the firmware (IA32_FEATURE_CONTROL is %#lx); "
                          "enable virtualization in the firmware set-up", (unsigned long)fc);
    if ((fc & FEATURE_CONTROL_LOCK) == 0)
        cpu_wrmsr(MSR_IA32_FEATURE_CONTROL, fc | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX);
    return OK;
}

static result_t read_ept(struct vmx_caps *caps, struct reason *why) {
    uint64_t ept = cpu_rdmsr(MSR_IA32_VMX_EPT_VPID_CAP);
    if ((ept & EPT_CAP_WALK4) == 0 || (ept & EPT_CAP_WB) == 0 || (ept & EPT_CAP_2M) == 0 || (ept & EPT_CAP_INVEPT) == 0)
        return reason_set(why, ERR_NODEV, "EPT of this CPU (capabilities %#lx) lacks 4-level walks, write-back memory, "
                          "2 MiB pages or INVEPT; guests cannot run here", (unsigned long)ept);
    caps->ept_ad = (ept & EPT_CAP_AD) != 0;
    caps->ept_1g = (ept & EPT_CAP_1G) != 0;
    caps->invept_single = (ept & EPT_CAP_INVEPT_SINGLE) != 0;
    caps->invvpid_single = (ept & VPID_CAP_INVVPID_SINGLE) != 0;
    uint32_t may2 = (uint32_t)(cpu_rdmsr(MSR_IA32_VMX_PROCBASED_CTLS2) >> 32);
    caps->pml = caps->ept_ad && (may2 & VMX_PROC2_PML) != 0;
    caps->tsc_scaling = (may2 & VMX_PROC2_TSC_SCALING) != 0;
    return OK;
}

result_t vmx_caps_read(struct vmx_caps *out, struct reason *why) {
    result_t r = check_enabled(why);
    if (r != OK)
        return r;
    struct vmx_caps caps;
    memset(&caps, 0, sizeof caps); /* padding too: capabilities of two CPUs are compared */
    uint64_t basic = cpu_rdmsr(MSR_IA32_VMX_BASIC);
    caps.revision = (uint32_t)(basic & VMX_BASIC_REVISION_MASK);
    bool exact = (basic & VMX_BASIC_TRUE_CTLS) != 0;
    const struct {
        uint32_t msr, true_msr;
        const struct control *list;
        size_t n;
        uint32_t *used;
    } words[] = {
        {MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS, pin_controls, ARRAY_LEN(pin_controls), &caps.pin},
        {MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS, proc_controls, ARRAY_LEN(proc_controls), &caps.proc},
        {MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2, proc2_controls, ARRAY_LEN(proc2_controls), &caps.proc2},
        {MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS, exit_controls, ARRAY_LEN(exit_controls), &caps.exit},
        {MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS, entry_controls, ARRAY_LEN(entry_controls), &caps.entry},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        r = choose(exact ? words[i].true_msr : words[i].msr, words[i].list, words[i].n, words[i].used, why);
        if (r != OK)
            return r;
    }
    r = read_ept(&caps, why);
    if (r != OK)
        return r;
    caps.preemption_shift = (uint32_t)(cpu_rdmsr(MSR_IA32_VMX_MISC) & VMX_MISC_PREEMPTION_RATE_MASK);
    if (!caps.invvpid_single)
        caps.proc2 &= ~VMX_PROC2_VPID; /* a VPID that cannot be flushed is of no use */
    caps.vpid = (caps.proc2 & VMX_PROC2_VPID) != 0;
    caps.rdtscp = (caps.proc2 & VMX_PROC2_RDTSCP) != 0;
    caps.pause_loop = (caps.proc2 & VMX_PROC2_PAUSE_LOOP) != 0;
    caps.invpcid = (caps.proc2 & VMX_PROC2_INVPCID) != 0;
    caps.preemption_timer = true;
    caps.cr0_fixed0 = cpu_rdmsr(MSR_IA32_VMX_CR0_FIXED0);
    caps.cr0_fixed1 = cpu_rdmsr(MSR_IA32_VMX_CR0_FIXED1);
    caps.cr4_fixed0 = cpu_rdmsr(MSR_IA32_VMX_CR4_FIXED0);
    caps.cr4_fixed1 = cpu_rdmsr(MSR_IA32_VMX_CR4_FIXED1);
    *out = caps;
    return OK;
}

void vmx_caps_report(const struct vmx_caps *caps, void (*line)(void *ctx, const char *text), void *ctx) {
    const struct {
        const char *name;
        bool present;
        const char *otherwise;
    } features[] = {
        {"EPT accessed/dirty bits", caps->ept_ad, "dirty logging falls back to write protection"},
        {"EPT 1 GiB pages", caps->ept_1g, "guest memory uses 2 MiB pages"},
        {"page-modification logging", caps->pml, "dirty logging uses dirty bits or write protection"},
        {"VPID", caps->vpid, "every exit empties the TLB"},
        {"RDTSCP", caps->rdtscp, "guests are not shown RDTSCP"},
        {"INVPCID", caps->invpcid, "guests are not shown INVPCID"},
        {"PAUSE-loop exiting", caps->pause_loop, "spinning vCPUs keep their CPU until the end of their slice"},
        {"TSC scaling", caps->tsc_scaling, "guests move only between hosts of one TSC frequency"},
    };
    char text[128];
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        snprintf(text, sizeof text, "%-26s %s%s", features[i].name, features[i].present ? "yes" : "no: ",
                 features[i].present ? "" : features[i].otherwise);
        line(ctx, text);
    }
}
