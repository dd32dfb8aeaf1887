/* SPDX-License-Identifier: MIT */
/* vm_priv.h - the inside of a VM, for the vm_*.c files:
 *   vm.c           registry, life cycle, states           vm_platform.c  the devices of one machine, power, timers
 *   vm_vcpu.c      what the vCPU asks                     vm_access.c    MMIO and string I/O instructions
 *   vm_memory.c    RAM, EPT, dirty log                    vm_sections.c  state sections
 *   vm_start.c     boot files into memory, entry state    vm_sched.c     which vCPU runs where (vm_sched.h)
 *   vm_run.c       machines that ended, times
 *
 * Who touches what. Legend: [c] constant while the machine exists, [0] CPU 0, [v] the CPU that runs the vCPU (CPU 0 while the
 * VM does not run), [l] under vm->lock, [a] atomic.
 * The lock covers what several vCPUs and CPU 0 reach: buses, PIC, IOAPIC, timers, UART, clocks. A vCPU's own registers and
 * local APIC need none; vCPUs reach each other through the inboxes of their APICs only. */
#ifndef GUEST_VM_PRIV_H
#define GUEST_VM_PRIV_H

#include "guest/bus.h"
#include "guest/gmem.h"
#include "guest/vclock.h"
#include "guest/vcpuid.h"
#include "guest/virq.h"
#include "guest/vm_sched.h"
#include "guest/vkvmclock.h"
#include "guest/vkvmpv.h"
#include "guest/vm.h"
#include "guest/vmisc.h"
#include "guest/vmsr.h"
#include "guest/vpit.h"
#include "guest/vpm.h"
#include "guest/vrtc.h"
#include "guest/vuart.h"
#include "kernel/spinlock.h"
#include "vmx/vcpu.h"

/* Why the guest does not run any more although its VM is VM_RUNNING: CPU 0 carries it out (vm_housekeep). */
enum vm_ending { VM_ENDING_NO = 0, VM_ENDING_RESET, VM_ENDING_POWER_OFF, VM_ENDING_CRASH };

struct vm_cpu {
    struct vm *vm;  /* [c] */
    unsigned index; /* [c] = its APIC ID */
    struct vcpu vcpu;          /* [v] */
    struct vmsr msr;           /* [v] */
    struct vkvmpv pv;          /* [v] but for its wake-up */
    struct sched_entity sched; /* vm_sched.h */
};

struct vm {
    struct vm_spec spec;        /* [c] */
    uint8_t uuid[VM_UUID_LEN];  /* [0] */
    enum vm_state state;        /* [a] CPU 0 writes */
    uint32_t ending;            /* [a] enum vm_ending, the first wins */
    unsigned crashed_cpu;       /* [a] index, before ending */
    struct gmem mem;            /* [c] but for its dirty bits [a] */
    uint64_t *hv_dirty;         /* [a] pages that the hypervisor wrote, while a log runs */
    struct ept ept;             /* [0], walked by all CPUs */
    struct dirty_log dirty;
    enum dirty_method dirty_method; /* [0] */
    struct vm_cpu *cpu;         /* [c] spec.nr_vcpus of them */
    struct vclock clock;        /* [c] while it runs */
    struct vcpuid cpuid;        /* [c] */
    struct spinlock lock;
    struct bus bus;             /* [c], its devices [l] */
    uint8_t *pio_index;
    struct virq irq;            /* see virq.h */
    hpa_t irq_frames;           /* [c] its struct vlapics */
    struct vpit pit;            /* [l] and so on */
    struct vrtc rtc;
    struct vpm pm;
    struct vuart uart;
    struct vmisc misc;
    struct vkvmclock kvmclock;
    uint64_t device_next_tsc;   /* [l] guest TSC of the next PIT, RTC or PM event; vCPU 0 runs them */
    bool device_timers_stale;   /* [a] */
    uint64_t end_by_ns;         /* [0] host time until which its last console output is kept for a reader */
    uint64_t saved_tsc;         /* [0] guest TSC of the pause, from the time section */
    uint64_t pause_tsc;         /* [0] host TSC since when no vCPU runs */
    uint64_t pause_ns;          /* [0] how long the last sched_close took */
};

static inline void vm_lock(struct vm *vm) {
    spin_lock(&vm->lock);
}
static inline void vm_unlock(struct vm *vm) {
    spin_unlock(&vm->lock);
}
/* vm_may_run - may its vCPUs enter the guest? Any CPU. */
static inline bool vm_may_run(const struct vm *vm) {
    return __atomic_load_n(&vm->state, __ATOMIC_SEQ_CST) == VM_RUNNING &&
           __atomic_load_n(&vm->ending, __ATOMIC_SEQ_CST) == VM_ENDING_NO;
}
/* vm_end - the guest ended its machine, or it crashed: nobody enters it any more, CPU 0 does the rest. Any CPU. */
void vm_end(struct vm *vm, enum vm_ending why);

/* vm_memory.c */
result_t vm_memory_create(struct vm *vm, struct reason *why) MUST_CHECK;
void vm_memory_destroy(struct vm *vm);

/* vm_platform.c: all devices of a fresh machine; guest time starts at 0 now. */
result_t vm_platform_create(struct vm *vm, struct reason *why) MUST_CHECK;
void vm_platform_destroy(struct vm *vm);
uint64_t vm_next_event_tsc(struct vm_cpu *c); /* guest TSC; vCPU 0 has those of the devices, too */
void vm_run_events(struct vm_cpu *c);
void vm_touch_port(struct vm_cpu *c, uint16_t port); /* an access that can move a device's next event; lock held */
void vm_apply_tsc_offset(struct vm_cpu *c); /* after clock.tsc_offset or the guest's TSC_ADJUST changed */

/* vm_vcpu.c */
extern const struct vcpu_ops vm_vcpu_ops;
/* For the scheduler. vm_cpu_next_timer: host TSC, UINT64_MAX: none. vm_cpu_has_events: an interrupt or a request waits.
 * vm_cpu_crashed: vcpu_run said so. */
uint64_t vm_cpu_next_timer(struct vm_cpu *c);
bool vm_cpu_has_events(const struct vm_cpu *c);
/* vm_cpu_sync_eoi - before anything looks at the local APIC, and at the pause: an EOI that the guest gave in its memory. */
void vm_cpu_sync_eoi(struct vm_cpu *c);
/* vm_cpu_take_requests - what other CPUs sent to its local APIC, INIT and SIPI included. Context: its CPU; CPU 0 when stopped. */
void vm_cpu_take_requests(struct vm_cpu *c);
void vm_cpu_crashed(struct vm_cpu *c);

/* vm_hypercall.c */
uint64_t vm_hypercall(void *ctx, uint64_t nr, const uint64_t a[4], bool wide);

/* vm_access.c */
bool vm_emulate_mmio(void *ctx, struct vcpu *v, gpa_t gpa, bool write);
bool vm_emulate_string_io(void *ctx, struct vcpu *v, uint64_t qualification);

/* vm_start.c: kernel, initrd, tables into memory; the vCPU at its entry point. */
result_t vm_load_boot(struct vm *vm, struct reason *why) MUST_CHECK;

#endif
