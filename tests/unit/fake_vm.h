/* SPDX-License-Identifier: MIT */
/* fake_vm.h - guest/vm.h for hosted tests of migration: VMs of several hosts, a guest that dirties pages, and
 * a referee. The referee watches the invariants of design section 8 over all hosts and records the first
 * violation: I1 two machines run the same VM; I2 no complete image anywhere; I5 memory or state at activation
 * differ from the pause.
 * - fake_vm_boot: a running VM with content. fake_vm_run: let every running VM run for a moment.
 * - fake_vm_violation: NULL, or the first broken invariant. */
#ifndef TESTS_UNIT_FAKE_VM_H
#define TESTS_UNIT_FAKE_VM_H

#include "guest/vm.h"

#define FAKE_VM_SECTIONS 3

/* Knobs per host; reset by fake_vm_reset. */
struct fake_vm_host {
    uint64_t free_bytes;      /* vm_create refuses more */
    uint32_t features;        /* word 0 this host offers */
    uint16_t section_version; /* of section 2 */
    bool fail_activate, fail_section_save, fail_section_load, fail_dirty_start, fail_pause;
    bool never_enter;     /* the CPU refuses an activated guest: it crashes without a first entry */
    bool crash_entered;   /* an activated guest crashes in its first slice, after its first entry */
    bool halted;          /* guests wait in HLT: they get the CPU and execute nothing */
    bool idle;            /* this host's guests do not get the CPU at all */
    unsigned dirty_pages; /* pages the guest writes per fake_vm_run */
};
extern struct fake_vm_host fake_vm_host[];

void fake_vm_reset(uint64_t seed);
struct vm *fake_vm_boot(unsigned host, const char *name, uint64_t bytes);
void fake_vm_run(void);
const char *fake_vm_violation(void);
unsigned fake_vm_count(unsigned host);
/* fake_vm_running - how many hosts run a VM of this name. */
unsigned fake_vm_running(const char *name);
struct vm *fake_vm_on(unsigned host, const char *name);
/* fake_vm_steps - how often the guest ran, counted inside its state. */
uint64_t fake_vm_steps(const struct vm *vm);
/* fake_vm_log_count - dirty logs that are on, over all hosts. */
unsigned fake_vm_log_count(void);
void fake_vm_crash(struct vm *vm);
/* fake_vm_end - the guest powers its machine off, as guest/vm_run.c carries it out. It must never run again. */
void fake_vm_end(struct vm *vm);
void fake_vm_lose_host(unsigned host); /* the machine reboots: its VMs are gone */
/* fake_vm_damage - flip a bit of a VM's memory behind everyone's back. */
void fake_vm_damage(struct vm *vm, uint64_t index);

#endif
