/* SPDX-License-Identifier: MIT */
/* vcpu_run.c - the inner loop: what must happen before an entry, the entry, and where the exit goes.
 * Interrupts and timers are looked at only when v->recheck says that they may have changed, so that exits like CPUID
 * cost nothing more. The preemption timer ends a slice; it holds min(slice end, next guest timer). */
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/hw/vmx_regs.h"
#include "kernel/io.h"
#include "kernel/smp.h"
#include "vmx/vcpu_priv.h"
#include "vmx/vmcs.h"
#include "vmx/vmx_caps.h"

#define RFLAGS_IF BIT(9)
#define RECHECK_EXITS 32u

static void set_window(bool *state, bool on, uint32_t control) {
    if (*state == on)
        return;
    *state = on;
    uint32_t ctls = vmcs_read_32(VMCS_PROC_CTLS);
    vmcs_write_32(VMCS_PROC_CTLS, on ? ctls | control : ctls & ~control);
}

static void queue_event(struct vcpu *v, uint32_t info) {
    vmcs_write_32(VMCS_ENTRY_INTR_INFO, info | VMX_INTR_VALID);
    v->event_queued = true;
}

static void deliver_nmi(struct vcpu *v) {
    const uint32_t blocking = VMX_BLOCKING_NMI | VMX_BLOCKING_MOV_SS | VMX_BLOCKING_STI;
    if (!v->event_queued && (vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY) & blocking) == 0 && v->ops->nmi_accept(v->ctx))
        queue_event(v, VMX_INTR_TYPE_NMI | 2);
}

static void deliver_irq(struct vcpu *v) {
    bool open = (vmcs_read_nat(VMCS_GUEST_RFLAGS) & RFLAGS_IF) != 0 &&
                (vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY) & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS)) == 0;
    if (!open || v->event_queued)
        return;
    int vector = v->ops->irq_accept(v->ctx);
    if (vector >= 0)
        queue_event(v, VMX_INTR_TYPE_EXTERNAL | (uint32_t)vector);
}

/* Deliver what can be delivered now; for what is left, ask for an exit when it can be. */
static void deliver_events(struct vcpu *v, unsigned pending) {
    if ((pending & VCPU_PENDING_NMI) != 0)
        deliver_nmi(v);
    if ((pending & VCPU_PENDING_IRQ) != 0)
        deliver_irq(v);
    pending = v->ops->pending(v->ctx);
    /* Blocking by STI need not hold off an NMI window (SDM 25.2), which would then exit for ever; it does hold off an
     * interrupt window, and after STI interrupts are enabled. */
    bool nmi = (pending & VCPU_PENDING_NMI) != 0;
    bool sti = nmi && vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY) == VMX_BLOCKING_STI;
    set_window(&v->window_nmi, nmi && !sti, VMX_PROC_NMI_WINDOW);
    set_window(&v->window_irq, sti || (pending & VCPU_PENDING_IRQ) != 0, VMX_PROC_INTR_WINDOW);
}

static bool can_wake(struct vcpu *v, unsigned pending) {
    if (v->activity == VCPU_WAIT_SIPI) /* NMIs and interrupts wait until it has started. SDM 8.4.2 */
        return false;
    bool nmi = (pending & VCPU_PENDING_NMI) != 0 && (vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY) & VMX_BLOCKING_NMI) == 0;
    return v->event_queued || nmi || (pending & VCPU_PENDING_WAKE) != 0 ||
           ((pending & VCPU_PENDING_IRQ) != 0 && (vmcs_read_nat(VMCS_GUEST_RFLAGS) & RFLAGS_IF) != 0);
}

static void arm_timer(struct vcpu *v, uint64_t now, uint64_t next_timer) {
    uint64_t end = MIN(v->slice_end, next_timer);
    uint64_t ticks = end > now ? (end - now) >> v->preemption_shift : 0;
    vmcs_write_32(VMCS_PREEMPTION_TIMER, (uint32_t)MIN(ticks, (uint64_t)UINT32_MAX));
}

/* 0: enter the guest; else why not. */
static enum vcpu_stop prepare_entry(struct vcpu *v) {
    v->recheck = false;
    uint64_t now = cpu_rdtsc();
    uint64_t next_timer = v->ops->next_timer_tsc(v->ctx);
    if (next_timer <= now) {
        v->ops->run_timers(v->ctx);
        next_timer = v->ops->next_timer_tsc(v->ctx);
    }
    if (smp_is_wanted() || __atomic_load_n(&v->stop_request, __ATOMIC_SEQ_CST) || now >= v->slice_end) {
        __atomic_store_n(&v->stop_request, false, __ATOMIC_SEQ_CST);
        v->recheck = true;
        return VCPU_STOP_SLICE;
    }
    v->ops->take_requests(v->ctx);
    unsigned pending = v->ops->pending(v->ctx);
    if (v->activity != VCPU_ACTIVE) {
        if (!can_wake(v, pending)) {
            v->recheck = true;
            return VCPU_STOP_HALTED;
        }
        v->activity = VCPU_ACTIVE;
    }
    if ((pending & (VCPU_PENDING_IRQ | VCPU_PENDING_NMI)) != 0 || v->window_irq || v->window_nmi)
        deliver_events(v, pending);
    arm_timer(v, now, next_timer);
    return 0;
}

/* An exit in the middle of delivering an event: deliver it again. SDM 27.2.4 "Information for VM Exits During Event Delivery". */
static void requeue_event(struct vcpu *v, uint32_t info) {
    uint32_t type = info & VMX_INTR_TYPE_MASK;
    if (type == VMX_INTR_TYPE_NMI) {
        uint32_t blocked = vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY);
        vmcs_write_32(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~VMX_BLOCKING_NMI);
    }
    if ((info & VMX_INTR_ERROR_CODE) != 0)
        vmcs_write_32(VMCS_ENTRY_ERROR_CODE, vmcs_read_32(VMCS_IDT_VECTORING_ERROR));
    if (type == VMX_INTR_TYPE_SOFT_INT || type == VMX_INTR_TYPE_PRIV_SOFT || type == VMX_INTR_TYPE_SOFT_EXCEPTION)
        vmcs_write_32(VMCS_ENTRY_INSN_LEN, vmcs_read_32(VMCS_EXIT_INSN_LEN));
    queue_event(v, info & (VMX_INTR_VECTOR | VMX_INTR_TYPE_MASK | VMX_INTR_ERROR_CODE));
}

static enum exit_action enter_once(struct vcpu *v) {
    uint64_t first = v->first_entry_tsc == 0 ? cpu_rdtsc() : v->first_entry_tsc;
    if (vcpu_enter(v, v->launched) != 0)
        return exit_crash(v, "VM entry failed: VM-instruction error %u", vmcs_read_32(VMCS_INSTRUCTION_ERROR));
    v->event_queued = false;
    uint32_t reason = vmcs_read_32(VMCS_EXIT_REASON);
    if ((reason & VMX_EXIT_FAILED_ENTRY) != 0)
        return exit_crash(v, "VM entry failed: exit reason %#x, qualification %#lx", reason,
                          (unsigned long)vmcs_read_nat(VMCS_EXIT_QUALIFICATION));
    v->launched = true;
    v->first_entry_tsc = first; /* only now: a failed entry is none */
    /* The preemption timer stands still in root mode: look at the clock now and then whatever the exits are. */
    if (++v->nr_exits % RECHECK_EXITS == 0)
        v->recheck = true;
    uint32_t vectoring = vmcs_read_32(VMCS_IDT_VECTORING_INFO);
    if ((vectoring & VMX_INTR_VALID) != 0)
        requeue_event(v, vectoring);
    return exit_dispatch(v, reason);
}

static enum vcpu_stop run_slice(struct vcpu *v) {
    for (;;) {
        if (v->recheck) {
            enum vcpu_stop stop = prepare_entry(v);
            if (stop != 0)
                return stop;
        }
        switch (enter_once(v)) {
        case EXIT_ACTION_RESUME:
            break;
        case EXIT_ACTION_HALT:
            v->activity = VCPU_HALTED;
            v->recheck = true;
            break;
        case EXIT_ACTION_YIELD:
            return VCPU_STOP_YIELD;
        case EXIT_ACTION_CRASH:
            return VCPU_STOP_CRASHED;
        }
    }
}

enum vcpu_stop vcpu_run(struct vcpu *v, uint64_t slice_end_tsc) {
    vcpu_make_current(v);
    v->slice_end = slice_end_tsc;
    v->recheck = true;
    enum vcpu_stop stop = run_slice(v);
    v->last_exit_tsc = cpu_rdtsc();
    if (stop == VCPU_STOP_HALTED && v->first_entry_tsc == 0)
        v->first_entry_tsc = v->last_exit_tsc; /* it has the CPU and chooses to wait: it runs */
    return stop;
}
