/* SPDX-License-Identifier: MIT */
#include "kernel/percpu.h"

#include "kernel/cpu.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/panic.h"

static struct cpu boot_cpu;
static struct cpu *table[CPU_MAX];
static uint32_t nr_cpus; /* [a] CPU 0 writes after the entry; partner: the acquire in cpu_nr */

void percpu_set_gs(struct cpu *c) {
    c->self = c;
    cpu_wrmsr(MSR_IA32_GS_BASE, (uint64_t)c);
}

struct cpu *percpu_init_boot(void) {
    percpu_set_gs(&boot_cpu);
    percpu_add(&boot_cpu);
    return &boot_cpu;
}

void percpu_add(struct cpu *c) {
    ASSERT(nr_cpus < CPU_MAX);
    c->id = nr_cpus;
    mailbox_init(&c->pub.mailbox);
    table[nr_cpus] = c;
    __atomic_store_n(&nr_cpus, nr_cpus + 1, __ATOMIC_RELEASE);
}

uint32_t cpu_nr(void) {
    return __atomic_load_n(&nr_cpus, __ATOMIC_ACQUIRE);
}

struct cpu *cpu_get(uint32_t id) {
    ASSERT(id < cpu_nr());
    return table[id];
}
