/* SPDX-License-Identifier: MIT */
/* exit.c - one row per basic exit reason. Source: SDM Vol. 3D, appendix C "VMX Basic Exit Reasons". */
#include <stdarg.h>
#include <stdio.h>

#include "kernel/cpu.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/hw/vmx_regs.h"
#include "kernel/io.h"
#include "kernel/lapic.h"
#include "kernel/trap.h"
#include "vmx/vcpu_priv.h"
#include "vmx/vmcs.h"

#define CS_AR_LONG BIT(13)

enum { VECTOR_DB = 1, VECTOR_UD = 6, VECTOR_GP = 13, VECTOR_AC = 17 };

enum exit_action exit_crash(struct vcpu *v, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->crash.text, sizeof v->crash.text, fmt, args);
    va_end(args);
    return EXIT_ACTION_CRASH;
}

void vcpu_skip_instruction(struct vcpu *v) {
    (void)v;
    vmcs_write_nat(VMCS_GUEST_RIP, vmcs_read_nat(VMCS_GUEST_RIP) + vmcs_read_32(VMCS_EXIT_INSN_LEN));
    uint32_t blocked = vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY);
    if ((blocked & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS)) != 0)
        vmcs_write_32(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~(VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS));
}

void vcpu_inject_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error) {
    if (has_error)
        vmcs_write_32(VMCS_ENTRY_ERROR_CODE, error);
    vmcs_write_32(VMCS_ENTRY_INTR_INFO,
                  VMX_INTR_VALID | VMX_INTR_TYPE_EXCEPTION | (has_error ? VMX_INTR_ERROR_CODE : 0) | vector);
    v->event_queued = true;
}

enum exit_action exit_inject_gp(struct vcpu *v) {
    vcpu_inject_exception(v, VECTOR_GP, true, 0);
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_undefined(struct vcpu *v) {
    vcpu_inject_exception(v, VECTOR_UD, false, 0);
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_impossible(struct vcpu *v) {
    return exit_crash(v, "VM exit for reason %u, which this VMCS does not ask for", vmcs_read_32(VMCS_EXIT_REASON));
}

/* The exit left DR6 and DR7.GD to us (SDM 27.1), and an entry with TF set and blocking by STI or MOV SS needs the pending
 * single step (SDM 26.3.1.5). ICEBP is the one #DB of its own type: it has a length and leaves DR6 alone. */
static enum exit_action reflect_debug(struct vcpu *v, uint32_t info) {
    const uint64_t hit_bits = 0x600f, step = BIT(14), tf = BIT(8), general_detect = BIT(13);
    uint32_t type = info & VMX_INTR_TYPE_MASK;
    if (type == VMX_INTR_TYPE_EXCEPTION) {
        uint64_t dr6;
        __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
        __asm__ volatile("mov %0, %%dr6" : : "r"((dr6 & ~0xfull) | (vmcs_read_nat(VMCS_EXIT_QUALIFICATION) & hit_bits)));
        vmcs_write_nat(VMCS_GUEST_DR7, vmcs_read_nat(VMCS_GUEST_DR7) & ~general_detect);
    } else {
        vmcs_write_32(VMCS_ENTRY_INSN_LEN, vmcs_read_32(VMCS_EXIT_INSN_LEN));
    }
    bool blocked = (vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY) & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS)) != 0;
    if (blocked && (vmcs_read_nat(VMCS_GUEST_RFLAGS) & tf) != 0)
        vmcs_write_nat(VMCS_GUEST_PENDING_DEBUG, vmcs_read_nat(VMCS_GUEST_PENDING_DEBUG) | step);
    vmcs_write_32(VMCS_ENTRY_INTR_INFO, VMX_INTR_VALID | type | VECTOR_DB);
    v->event_queued = true;
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_exception_or_nmi(struct vcpu *v) {
    uint32_t info = vmcs_read_32(VMCS_EXIT_INTR_INFO);
    if ((info & VMX_INTR_TYPE_MASK) == VMX_INTR_TYPE_NMI) {
        __asm__ volatile("int $2"); /* to trap_handle; its IRET ends the blocking of NMIs that the exit left (SDM 27.1) */
        return EXIT_ACTION_RESUME;
    }
    /* #DB and #AC are intercepted only because delivering them can loop for ever inside one entry; they go on to the guest. */
    if ((info & VMX_INTR_VECTOR) == VECTOR_AC) {
        vcpu_inject_exception(v, VECTOR_AC, true, 0);
        return EXIT_ACTION_RESUME;
    }
    if ((info & VMX_INTR_VECTOR) == VECTOR_DB)
        return reflect_debug(v, info);
    return exit_crash(v, "the machine raised exception %u (18 is a machine check) while the guest ran", info & VMX_INTR_VECTOR);
}

/* Acknowledged by the exit: the idle timer's, or another CPU's kick. */
static enum exit_action on_external_interrupt(struct vcpu *v) {
    if ((vmcs_read_32(VMCS_EXIT_INTR_INFO) & VMX_INTR_VECTOR) != VECTOR_SPURIOUS)
        lapic_eoi();
    v->recheck = true;
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_triple_fault(struct vcpu *v) {
    return exit_crash(v, "triple fault at rip %#lx", (unsigned long)vmcs_read_nat(VMCS_GUEST_RIP));
}

static enum exit_action on_window(struct vcpu *v) {
    v->recheck = true;
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_task_switch(struct vcpu *v) {
    return exit_crash(v, "hardware task switch at rip %#lx, which is not emulated", (unsigned long)vmcs_read_nat(VMCS_GUEST_RIP));
}

static enum exit_action on_cpuid(struct vcpu *v) {
    uint32_t out[4];
    v->ops->cpuid(v->ctx, (uint32_t)v->regs[REG_RAX], (uint32_t)v->regs[REG_RCX], out);
    v->regs[REG_RAX] = out[0];
    v->regs[REG_RBX] = out[1];
    v->regs[REG_RCX] = out[2];
    v->regs[REG_RDX] = out[3];
    vcpu_skip_instruction(v);
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_hlt(struct vcpu *v) {
    vcpu_skip_instruction(v);
    return EXIT_ACTION_HALT;
}

/* Arguments as KVM defines them. Linux, Documentation/virt/kvm/x86/hypercalls.rst. */
static enum exit_action on_vmcall(struct vcpu *v) {
    const uint64_t eperm = (uint64_t)-1;
    bool wide = (vmcs_read_64(VMCS_GUEST_EFER) & EFER_LMA) != 0 && (vmcs_read_32(VMCS_GUEST_CS_AR) & CS_AR_LONG) != 0;
    uint64_t mask = wide ? UINT64_MAX : UINT32_MAX;
    const uint64_t a[4] = {v->regs[REG_RBX] & mask, v->regs[REG_RCX] & mask, v->regs[REG_RDX] & mask, v->regs[REG_RSI] & mask};
    bool kernel = (vmcs_read_32(VMCS_GUEST_SS_AR) >> 5 & 3) == 0;
    v->regs[REG_RAX] = (kernel ? v->ops->hypercall(v->ctx, v->regs[REG_RAX] & mask, a, wide) : eperm) & mask;
    v->recheck = true;
    vcpu_skip_instruction(v);
    return EXIT_ACTION_RESUME;
}

/* PAUSE-loop exiting: the guest has spun for a while (vcpu_vmcs.c), its lock holder may be waiting for this CPU. */
static enum exit_action on_pause(struct vcpu *v) {
    vcpu_skip_instruction(v);
    v->recheck = true;
    return EXIT_ACTION_YIELD;
}

static enum exit_action on_skip(struct vcpu *v) {
    vcpu_skip_instruction(v);
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_gp(struct vcpu *v) {
    return exit_inject_gp(v);
}

static enum exit_action on_io(struct vcpu *v) {
    uint64_t q = vmcs_read_nat(VMCS_EXIT_QUALIFICATION);
    v->recheck = true;
    if ((q & BIT(4)) != 0) {
        if (!v->ops->pio_string(v->ctx, v, q))
            return exit_crash(v, "string I/O at rip %#lx cannot be emulated", (unsigned long)vmcs_read_nat(VMCS_GUEST_RIP));
        return EXIT_ACTION_RESUME;
    }
    unsigned size = (unsigned)(q & 7) + 1;
    uint16_t port = (uint16_t)(q >> 16);
    uint64_t mask = size == 4 ? UINT32_MAX : BIT(8 * size) - 1;
    if ((q & BIT(3)) != 0) {
        uint32_t value = v->ops->pio_read(v->ctx, port, size);
        v->regs[REG_RAX] = size == 4 ? value : (v->regs[REG_RAX] & ~mask) | (value & mask);
    } else {
        v->ops->pio_write(v->ctx, port, size, (uint32_t)(v->regs[REG_RAX] & mask));
    }
    vcpu_skip_instruction(v);
    return EXIT_ACTION_RESUME;
}

/* The exit undid an IRET's unblocking of NMIs: block again. SDM 27.2.3 "Information About NMI Unblocking Due to IRET". */
static void block_nmi_again(uint64_t qualification) {
    if ((qualification & EPT_VIOLATION_NMI_UNBLOCK) != 0 && (vmcs_read_32(VMCS_IDT_VECTORING_INFO) & VMX_INTR_VALID) == 0)
        vmcs_write_32(VMCS_GUEST_INTERRUPTIBILITY, vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY) | VMX_BLOCKING_NMI);
}

static enum exit_action on_write_violation(struct vcpu *v, gpa_t gpa) {
    uint64_t bytes;
    if (dirty_write_fault(v->dirty, gpa))
        return EXIT_ACTION_RESUME;
    if ((ept_lookup(v->ept, gpa, &bytes) & EPT_W) == 0)
        return exit_crash(v, "write to read-only guest memory at %#lx", (unsigned long)gpa);
    vcpu_flush_ept(v); /* the CPU held a translation from before the log ended */
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_ept_violation(struct vcpu *v) {
    gpa_t gpa = vmcs_read_64(VMCS_GUEST_PHYSICAL_ADDRESS);
    uint64_t q = vmcs_read_nat(VMCS_EXIT_QUALIFICATION);
    block_nmi_again(q);
    if ((q & EPT_VIOLATION_WRITE) != 0 && (q & EPT_VIOLATION_READABLE) != 0)
        return on_write_violation(v, gpa);
    /* The CPU itself touched gpa (IDT, TSS or stack outside memory): there is no instruction to emulate. */
    if (v->event_queued)
        return exit_crash(v, "delivering an interrupt or exception touches %#lx, which is not memory", (unsigned long)gpa);
    v->recheck = true;
    if (!v->ops->mmio(v->ctx, v, gpa, (q & EPT_VIOLATION_WRITE) != 0))
        return exit_crash(v, "access to %#lx at rip %#lx cannot be emulated", (unsigned long)gpa,
                          (unsigned long)vmcs_read_nat(VMCS_GUEST_RIP));
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_ept_misconfig(struct vcpu *v) {
    return exit_crash(v, "EPT misconfiguration at %#lx: a defect of the hypervisor",
                      (unsigned long)vmcs_read_64(VMCS_GUEST_PHYSICAL_ADDRESS));
}

static enum exit_action on_preemption_timer(struct vcpu *v) {
    v->recheck = true;
    return EXIT_ACTION_RESUME;
}

static enum exit_action on_pml_full(struct vcpu *v) {
    block_nmi_again(vmcs_read_nat(VMCS_EXIT_QUALIFICATION));
    vcpu_pml_drain(v);
    return EXIT_ACTION_RESUME;
}

static enum exit_action (*const handlers[NR_EXIT_REASONS])(struct vcpu *v) = {
    [EXIT_EXCEPTION_NMI] = on_exception_or_nmi,
    [EXIT_EXTERNAL_INTERRUPT] = on_external_interrupt,
    [EXIT_TRIPLE_FAULT] = on_triple_fault,
    [EXIT_INIT] = on_impossible,          /* INIT goes to the virtual APIC, never to the CPU */
    [EXIT_SIPI] = on_impossible,          /* no vCPU waits for SIPI in hardware */
    [EXIT_IO_SMI] = on_impossible,        /* no dual-monitor SMM */
    [EXIT_OTHER_SMI] = on_impossible,     /* the same */
    [EXIT_INTERRUPT_WINDOW] = on_window,
    [EXIT_NMI_WINDOW] = on_window,
    [EXIT_TASK_SWITCH] = on_task_switch,
    [EXIT_CPUID] = on_cpuid,
    [EXIT_GETSEC] = on_undefined,         /* SMX is hidden */
    [EXIT_HLT] = on_hlt,
    [EXIT_INVD] = on_skip,                /* a guest must not drop the machine's caches */
    [EXIT_INVLPG] = on_impossible,        /* not intercepted: EPT */
    [EXIT_RDPMC] = on_gp,                 /* no performance counters are shown */
    [EXIT_RDTSC] = on_impossible,         /* not intercepted */
    [EXIT_RSM] = on_undefined,            /* no SMM in guests */
    [EXIT_VMCALL] = on_vmcall,
    [EXIT_VMCLEAR] = on_undefined,        /* VMX is hidden: all VMX instructions raise #UD */
    [EXIT_VMLAUNCH] = on_undefined,
    [EXIT_VMPTRLD] = on_undefined,
    [EXIT_VMPTRST] = on_undefined,
    [EXIT_VMREAD] = on_undefined,
    [EXIT_VMRESUME] = on_undefined,
    [EXIT_VMWRITE] = on_undefined,
    [EXIT_VMXOFF] = on_undefined,
    [EXIT_VMXON] = on_undefined,
    [EXIT_CR_ACCESS] = exit_on_cr_access,
    [EXIT_MOV_DR] = on_impossible,        /* not intercepted: debug registers are the guest's */
    [EXIT_IO] = on_io,
    [EXIT_RDMSR] = exit_on_rdmsr,
    [EXIT_WRMSR] = exit_on_wrmsr,
    [EXIT_ENTRY_GUEST_STATE] = on_impossible, /* has the failed-entry bit: handled before dispatch */
    [EXIT_ENTRY_MSR_LOAD] = on_impossible,    /* the same */
    [EXIT_MWAIT] = on_undefined,          /* MONITOR/MWAIT are hidden */
    [EXIT_MTF] = on_impossible,           /* not used */
    [EXIT_MONITOR] = on_undefined,
    [EXIT_PAUSE] = on_pause,
    [EXIT_ENTRY_MACHINE_CHECK] = on_impossible,
    [EXIT_TPR_BELOW] = on_impossible,     /* no TPR shadow */
    [EXIT_APIC_ACCESS] = on_impossible,   /* no virtual APIC page */
    [EXIT_VIRTUAL_EOI] = on_impossible,   /* the same */
    [EXIT_GDTR_IDTR] = on_impossible,     /* not intercepted */
    [EXIT_LDTR_TR] = on_impossible,       /* not intercepted */
    [EXIT_EPT_VIOLATION] = on_ept_violation,
    [EXIT_EPT_MISCONFIG] = on_ept_misconfig,
    [EXIT_INVEPT] = on_undefined,
    [EXIT_RDTSCP] = on_impossible,        /* not intercepted */
    [EXIT_PREEMPTION_TIMER] = on_preemption_timer,
    [EXIT_INVVPID] = on_undefined,
    [EXIT_WBINVD] = on_skip,              /* guest memory is coherent, no device does non-snooped DMA */
    [EXIT_XSETBV] = exit_on_xsetbv,
    [EXIT_APIC_WRITE] = on_impossible,    /* no virtual APIC page */
    [EXIT_RDRAND] = on_impossible,        /* not intercepted */
    [EXIT_INVPCID] = on_impossible,       /* not intercepted: no INVLPG exiting */
    [EXIT_VMFUNC] = on_undefined,         /* VM functions are off */
    [EXIT_ENCLS] = on_undefined,          /* SGX is hidden */
    [EXIT_RDSEED] = on_impossible,        /* not intercepted */
    [EXIT_PML_FULL] = on_pml_full,
    [EXIT_XSAVES] = on_undefined,         /* XSAVES is hidden */
    [EXIT_XRSTORS] = on_undefined,
    [EXIT_PCONFIG] = on_undefined,        /* hidden */
    [EXIT_SPP] = on_impossible,           /* sub-page permissions are off */
    [EXIT_UMWAIT] = on_undefined,         /* WAITPKG is hidden */
    [EXIT_TPAUSE] = on_undefined,
    [EXIT_LOADIWKEY] = on_undefined,      /* Key Locker is hidden */
    [EXIT_ENCLV] = on_undefined,
    [EXIT_ENQCMD_PASID] = on_undefined,
    [EXIT_ENQCMDS_PASID] = on_undefined,
    [EXIT_BUS_LOCK] = on_impossible,      /* not intercepted */
    [EXIT_NOTIFY] = on_impossible,        /* not intercepted */
};

_Static_assert(VCPU_NR_EXIT_REASONS == NR_EXIT_REASONS, "one counter each");

enum exit_action exit_dispatch(struct vcpu *v, uint32_t reason) {
    uint32_t basic = reason & 0xffff;
    v->exits_by[MIN(basic, NR_EXIT_REASONS - 1u)]++;
    if (basic >= NR_EXIT_REASONS || handlers[basic] == NULL)
        return exit_crash(v, "unknown VM exit reason %u", basic);
    return handlers[basic](v);
}
