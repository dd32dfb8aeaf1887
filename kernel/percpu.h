/* SPDX-License-Identifier: MIT */
/* percpu.h - one record per CPU; GS points to the running CPU's own.
 * - this_cpu, cpu_id: the running CPU.   - cpu_get: any CPU that runs, by number.   - cpu_nr: how many run.
 * Numbers are dense: 0 is the CPU that the firmware started, the others follow in the order in which they came up.
 * The part says who may touch it: struct cpu_private only this CPU, struct cpu_public any CPU by the means named there.
 * Legend: [c] constant once the CPU runs, [p] this CPU, [a] atomic accesses, [r] written by this CPU, read by any (relaxed). */
#ifndef KERNEL_PERCPU_H
#define KERNEL_PERCPU_H

#include "kernel/mailbox.h"

#define CPU_MAX 256u
#define LOOP_MAX_TASKS 12

struct tss {
    uint32_t rsvd0;
    uint64_t rsp[3];
    uint64_t rsvd1;
    uint64_t ist[7];
    uint64_t rsvd2;
    uint16_t rsvd3;
    uint16_t iomap;
} PACKED;
_Static_assert(sizeof(struct tss) == 104, "64-bit TSS");

/* Bounded work, outside of guests; true: there is more to do at once. */
struct loop_task {
    const char *name;
    bool (*poll)(void);
    uint64_t (*next_ns)(void); /* host time by which it must be called again; may be NULL */
};

struct cpu_private {
    uint64_t gdt[5];
    struct tss tss;
    hpa_t vmxon;
    void *vmx_current;   /* vmx/: the vCPU whose VMCS is current and whose registers are in the CPU */
    uint32_t held_ranks; /* debug builds: bit per lock rank */
    struct loop_task task[LOOP_MAX_TASKS];
    unsigned nr_tasks;
};

struct cpu_public {
    uint32_t kicked;         /* [a] 1: an interrupt that makes it look around is on its way or not yet noticed */
    struct mailbox mailbox;  /* any CPU posts */
    uint64_t idle_ns;        /* [r] */
    uint64_t guest_ns;       /* [r] time spent in vCPUs */
    const char *guest;       /* [r] name of the VM in whose vCPU it is, or NULL; for the panic report */
    uint64_t panic_rip, panic_rsp; /* [a] where it was when another CPU panicked */
    uint32_t stopped;        /* [a] 1: it has stopped for a panic */
};

struct cpu {
    struct cpu *self; /* [c] offset 0: this_cpu */
    uint32_t id;      /* [c] offset 8: cpu_id */
    uint32_t apic_id; /* [c] */
    struct cpu_private own;
    struct cpu_public pub __attribute__((aligned(64)));
};
_Static_assert(offsetof(struct cpu, id) == 8, "cpu_id reads it through GS");

static inline struct cpu *this_cpu(void) {
    struct cpu *c;
    __asm__("mov %%gs:0, %0" : "=r"(c));
    return c;
}

static inline uint32_t cpu_id(void) {
    uint32_t id;
    __asm__("mov %%gs:8, %0" : "=r"(id));
    return id;
}

/* percpu_init_boot - CPU 0's record and GS; before anything else.   percpu_add - the next number for a CPU that came up.
 * Context: CPU 0. */
struct cpu *percpu_init_boot(void);
void percpu_set_gs(struct cpu *c);
void percpu_add(struct cpu *c);
uint32_t cpu_nr(void);
struct cpu *cpu_get(uint32_t id); /* id < cpu_nr() */

#endif
