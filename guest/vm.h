/* SPDX-License-Identifier: MIT */
/* vm.h - a virtual machine as the console and migration see it: life cycle, memory, dirty log, state sections, time.
 * - vm_create .. vm_destroy: a machine with memory and devices, nothing running.
 * - vm_load_boot: kernel and initrd into memory, vCPU at the entry point. vm_start, vm_pause, vm_resume, vm_stop.
 * - vm_gmem: its memory; vm_dirty_*: which pages were written; vm_section_*: everything else that is state.
 * A VM is its memory plus its sections (design section 1.2).
 * Context: CPU 0's loop; the vCPUs run on any CPU (vm_sched.h). A hosted test of migration links its own fake of this interface. */
#ifndef GUEST_VM_H
#define GUEST_VM_H

#include "guest/gmem.h"
#include "kernel/result.h"

struct vm;

#define VM_NAME_LEN 32
#define VM_FILE_LEN 64
#define VM_CMDLINE_LEN 1024
#define VM_UUID_LEN 16
#define VM_CPU_FEATURE_WORDS 16
#define VM_MAX_VCPUS 32u

enum vm_state {
    VM_INVALID = 0,
    VM_STOPPED,  /* defined in the configuration or ended; holds no memory */
    VM_RUNNING,
    VM_PAUSED,   /* by the operator or by migration's stop-and-copy */
    VM_INCOMING, /* a migration target that does not own the guest (yet): never runs in this state */
    VM_IN_DOUBT, /* a migration source between COMMIT and the answer: never runs in this state */
    VM_CRASHED,  /* triple fault or internal error; kept for inspection until `vm stop` */
    VM_NR_STATES
};
const char *vm_state_str(enum vm_state s);

enum cpu_baseline { CPU_BASELINE_INVALID = 0, CPU_BASELINE_V2, CPU_BASELINE_V3, CPU_BASELINE_HOST };
const char *cpu_baseline_str(enum cpu_baseline b); /* "v2", "v3", "host" */

enum dirty_method { DIRTY_INVALID = 0, DIRTY_AUTO, DIRTY_PML, DIRTY_DBIT, DIRTY_WP };
const char *dirty_method_str(enum dirty_method m); /* "auto", "pml", "dbit", "wp" */

/* What an operator configures. All of it travels in a migration's OFFER except kernel and initrd. */
struct vm_spec {
    char name[VM_NAME_LEN];
    char kernel[VM_FILE_LEN]; /* file name on the ESP */
    char initrd[VM_FILE_LEN]; /* or "" */
    char cmdline[VM_CMDLINE_LEN];
    uint64_t memory_bytes; /* multiple of 2 MiB */
    uint32_t nr_vcpus;
    enum cpu_baseline cpu;
    enum dirty_method dirty;
    bool autostart;
    bool broken; /* its configuration has a mistake: listed, not started. Does not travel */
};

/* vm_create - allocate memory and devices. state: VM_PAUSED for a local start, VM_INCOMING for a migration target.
 * Errors with a reason: ERR_NOMEM (asked, free), ERR_EXIST (a live VM has this name), ERR_NODEV (no VT-x), ERR_UNSUPP. */
result_t vm_create(const struct vm_spec *spec, enum vm_state state, struct vm **out, struct reason *why) MUST_CHECK;
/* vm_destroy - free everything; the handle is gone. Any state. Memory is zeroed when it is given out again. */
void vm_destroy(struct vm *vm);

/* vm_define - remember a configured VM (VM_STOPPED, no memory). vm_boot - create + load + run it. */
result_t vm_define(const struct vm_spec *spec, struct reason *why) MUST_CHECK;
result_t vm_boot(const char *name, struct reason *why) MUST_CHECK;
result_t vm_pause(struct vm *vm, struct reason *why) MUST_CHECK;  /* VM_RUNNING -> VM_PAUSED; guest time goes on */
result_t vm_resume(struct vm *vm, struct reason *why) MUST_CHECK; /* VM_PAUSED -> VM_RUNNING */
result_t vm_stop(const char *name, struct reason *why) MUST_CHECK; /* destroy the machine; the definition stays */

/* Iteration: live and defined VMs, in order of creation; a definition whose VM is live appears once. */
struct vm_info {
    char name[VM_NAME_LEN];
    enum vm_state state;
    uint64_t memory_bytes;
    uint32_t nr_vcpus;
    uint64_t guest_ns; /* guest time since its TSC was 0 */
    uint64_t run_ns;   /* CPU time consumed on this host, all vCPUs */
    uint64_t wait_ns;  /* time in which vCPUs could have run and had no CPU */
    uint64_t exits;
    struct vm *vm;     /* NULL when VM_STOPPED */
};
bool vm_iterate(unsigned index, struct vm_info *out); /* false past the end */
struct vm_vcpu_info {
    int32_t cpu; /* the host's CPU where it is queued; -1: it does not run */
    const char *activity;
    uint64_t run_ns, wait_ns, exits;
};
/* vm_exit_stats - the index-th reason for which this VM's vCPUs have left the guest at least once; false past the end. */
struct vm_exit_count {
    const char *name;
    uint64_t count;
};
bool vm_exit_stats(struct vm *vm, unsigned index, struct vm_exit_count *out);
bool vm_vcpu_info(struct vm *vm, unsigned index, struct vm_vcpu_info *out); /* false past the last vCPU */
struct vm *vm_find(const char *name);                 /* live ones only; NULL when none */
enum vm_state vm_get_state(const struct vm *vm);
/* vm_set_state - migration's transitions (INCOMING -> RUNNING is vm_activate's alone); asserts a legal edge. */
void vm_set_state(struct vm *vm, enum vm_state s);
const struct vm_spec *vm_get_spec(const struct vm *vm);
const uint8_t *vm_get_uuid(const struct vm *vm); /* VM_UUID_LEN octets, random at vm_boot, travels */
void vm_set_uuid(struct vm *vm, const uint8_t *uuid);

/* Memory and its dirty log. Bitmaps: one bit per page index, vm_gmem()->nr_pages bits, little-endian 64-bit words. */
struct gmem *vm_gmem(struct vm *vm);
result_t vm_dirty_start(struct vm *vm, enum dirty_method m, struct reason *why) MUST_CHECK;
/* vm_dirty_collect - OR the pages written since the last collect (guest, accessed tables, hypervisor) into bitmap and
 * re-arm the log for them; returns how many bits were newly set in bitmap. The VM may be running or paused. */
uint64_t vm_dirty_collect(struct vm *vm, uint64_t *bitmap);
void vm_dirty_stop(struct vm *vm); /* 2 MiB leaves are joined again */
/* vm_dirty_cross_check - of a stopped VM, before the collection: pages for which the log's notes and the EPT's own flags
 * disagree (0 when the method has one source only); *first: the lowest of them, if there are. */
uint64_t vm_dirty_cross_check(struct vm *vm, uint64_t *first);
enum dirty_method vm_dirty_active(const struct vm *vm); /* DIRTY_INVALID when no log runs */

/* State sections: everything but memory. id 0 is invalid. */
struct vm_section {
    uint16_t id;
    uint16_t version;
    const char *name;
};
#define VM_SECTION_MAX_BYTES (64ul * KIB)
/* vm_section_iterate - false past the end; the same list for every VM with so many vCPUs, each of which has a section. */
bool vm_section_iterate(uint32_t nr_vcpus, unsigned index, struct vm_section *out);
/* vm_section_save - only while not running. vm_section_load - only VM_INCOMING; ERR_VERSION, ERR_CORRUPT with a reason. */
result_t vm_section_save(struct vm *vm, uint16_t id, uint8_t *buf, size_t cap, size_t *used) MUST_CHECK;
result_t vm_section_load(struct vm *vm, uint16_t id, uint16_t version, const uint8_t *buf, size_t len,
                         struct reason *why) MUST_CHECK;

/* CPU features that this guest was given (CPUID words, see guest/vcpuid.h) and what this host could give. */
void vm_cpu_features(const struct vm *vm, uint32_t words[VM_CPU_FEATURE_WORDS]);
result_t vm_host_check_features(const uint32_t words[VM_CPU_FEATURE_WORDS], struct reason *why) MUST_CHECK;
uint64_t vm_tsc_hz(const struct vm *vm);
result_t vm_host_check_tsc_hz(uint64_t hz, struct reason *why) MUST_CHECK;

/* vm_pause_time_ns - host time (time_now_ns) since when no vCPU runs: the last VM exit, or the pause itself if all were halted.
 * vm_pause_latency_ns - how long the last pause took, from the request until no vCPU ran any more.
 * vm_activate - VM_INCOMING -> VM_RUNNING with its clocks advanced by blackout_ns; all sections must be loaded.
 * vm_first_entry_ns - host time of the first VM entry after vm_activate, 0 until it happened. */
uint64_t vm_pause_time_ns(const struct vm *vm);
uint64_t vm_pause_latency_ns(const struct vm *vm);
result_t vm_activate(struct vm *vm, uint64_t blackout_ns, struct reason *why) MUST_CHECK;
uint64_t vm_first_entry_ns(const struct vm *vm);

/* Guest console (its first UART): octets the guest wrote; octets typed to it. */
size_t vm_console_read(struct vm *vm, char *buf, size_t cap); /* drains what came since the last call */
size_t vm_console_write(struct vm *vm, const char *buf, size_t len); /* how many were taken */

#endif
