/* SPDX-License-Identifier: MIT */
/* vm_priv.h - the inside of a VM, for the vm_*.c files:
 *   vm.c           registry, life cycle, states           vm_platform.c  the devices of one machine, power, timers
 *   vm_vcpu.c      what the vCPU asks, time slices        vm_access.c    MMIO and string I/O instructions
 *   vm_memory.c    RAM, EPT, dirty log                    vm_sections.c  state sections
 *   vm_start.c     boot files into memory, entry state */
#ifndef GUEST_VM_PRIV_H
#define GUEST_VM_PRIV_H

#include "guest/bus.h"
#include "guest/gmem.h"
#include "guest/vclock.h"
#include "guest/vcpuid.h"
#include "guest/virq.h"
#include "guest/vkvmclock.h"
#include "guest/vm.h"
#include "guest/vmisc.h"
#include "guest/vmsr.h"
#include "guest/vpit.h"
#include "guest/vpm.h"
#include "guest/vrtc.h"
#include "guest/vuart.h"
#include "vmx/vcpu.h"

struct vm {
    struct vm_spec spec;
    uint8_t uuid[VM_UUID_LEN];
    enum vm_state state;
    struct gmem mem;
    uint64_t *hv_dirty;  /* pages that the hypervisor wrote, while a log runs */
    struct ept ept;
    struct dirty_log dirty;
    enum dirty_method dirty_method;
    struct vcpu vcpu;
    struct vclock clock;
    struct bus bus;
    uint8_t *pio_index;
    struct virq irq;
    struct vpit pit;
    struct vrtc rtc;
    struct vpm pm;
    struct vuart uart;
    struct vmisc misc;
    struct vcpuid cpuid;
    struct vmsr msr;
    struct vkvmclock kvmclock;
    uint64_t device_next_tsc; /* guest TSC of the next PIT, RTC or PM event */
    bool device_timers_stale;
    bool reset_request, power_off_request; /* the guest ended its machine; it does not run any more */
    uint64_t end_by_ns;       /* host time until which its last console output is kept for a reader */
    uint64_t saved_tsc;       /* guest TSC of the pause, from the time section */
    uint64_t run_tsc;         /* host TSC ticks spent in vcpu_run */
};

/* vm_memory.c */
result_t vm_memory_create(struct vm *vm, struct reason *why) MUST_CHECK;
void vm_memory_destroy(struct vm *vm);

/* vm_platform.c: all devices of a fresh machine; guest time starts at 0 now. */
result_t vm_platform_create(struct vm *vm, struct reason *why) MUST_CHECK;
void vm_platform_destroy(struct vm *vm);
uint64_t vm_next_event_tsc(struct vm *vm); /* guest TSC */
void vm_run_events(struct vm *vm);
void vm_touch_port(struct vm *vm, uint16_t port); /* an access that can move a device's next event */
void vm_apply_tsc_offset(struct vm *vm); /* after clock.tsc_offset or the guest's TSC_ADJUST changed */

/* vm_vcpu.c */
extern const struct vcpu_ops vm_vcpu_ops;

/* vm_access.c */
bool vm_emulate_mmio(void *ctx, struct vcpu *v, gpa_t gpa, bool write);
bool vm_emulate_string_io(void *ctx, struct vcpu *v, uint64_t qualification);

/* vm_start.c: kernel, initrd, tables into memory; the vCPU at its entry point. */
result_t vm_load_boot(struct vm *vm, struct reason *why) MUST_CHECK;

#endif
