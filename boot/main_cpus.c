/* SPDX-License-Identifier: MIT */
/* main_cpus.c - what every CPU but the first does: VT-x, then vCPUs. */
#include "boot/main.h"
#include "guest/vm_run.h"
#include "kernel/log.h"
#include "kernel/loop.h"
#include "kernel/smp.h"
#include "vmx/vcpu.h"

static struct reason vmx_refusal; /* of the CPU that comes up; CPU 0 waits meanwhile */

static void cpu_up(struct cpu *c) {
    (void)c;
    vmx_refusal.text[0] = '\0';
    if (vmx_init_cpu(&vmx_refusal) == OK)
        loop_add(&(struct loop_task){"vm", vm_poll, vm_next_ns});
}

static void cpu_counted(struct cpu *c) {
    if (vmx_refusal.text[0] != '\0' && vmx_status(&vmx_refusal) == OK)
        log_warn("smp: CPU %u runs no guests: %s", c->id, vmx_refusal.text);
}

void main_start_cpus(const struct boot_info *info) {
    static const struct smp_hooks hooks = {cpu_up, cpu_counted};
    smp_init(info, &hooks);
}
