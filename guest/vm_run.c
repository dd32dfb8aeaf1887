/* SPDX-License-Identifier: MIT */
/* vm_run.c - time slices, and what a guest asked for its whole machine: reset, power-off; or a crash. */
#include "guest/vm_run.h"

#include <string.h>

#include "guest/vm_priv.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "vmx/vmcs.h"

#define LAST_WORDS_NS NSEC_PER_SEC

static void dump_line(const char *text) {
    log_error("  %s", text);
}

/* The VM stays for inspection; only it stops, all its vCPUs where they are. */
static void crash(struct vm *vm) {
    vm_set_state(vm, VM_CRASHED);
    struct vm_cpu *c = &vm->cpu[vm->crashed_cpu];
    log_error("vm %s: stopped: vCPU %u: %s; `vm stop %s` frees it", vm->spec.name, c->index, c->vcpu.crash.text, vm->spec.name);
    for (unsigned i = 0; i < NR_REGS; i += 4)
        log_error("  r%02u-r%02u %016lx %016lx %016lx %016lx", i, i + 3, (unsigned long)c->vcpu.regs[i],
                  (unsigned long)c->vcpu.regs[i + 1], (unsigned long)c->vcpu.regs[i + 2], (unsigned long)c->vcpu.regs[i + 3]);
    vcpu_make_current(&c->vcpu);
    vmcs_dump(dump_line);
}

/* Reset and power-off end the machine; a reset starts the definition again if there is one here. */
static void end_machine(struct vm *vm) {
    char name[VM_NAME_LEN];
    memcpy(name, vm->spec.name, sizeof name);
    bool again = vm->ending == VM_ENDING_RESET;
    log_info("vm %s: the guest %s", name, again ? "reset its machine" : "powered off");
    vm_destroy(vm);
    struct reason why;
    if (again && vm_boot(name, &why) != OK)
        log_warn("vm %s: not started again: %s", name, why.text);
}

/* Let an attached console read the last lines before the machine goes. */
static bool last_words_read(struct vm *vm) {
    if (vm->end_by_ns == 0)
        vm->end_by_ns = time_now_ns() + LAST_WORDS_NS;
    vm_lock(vm);
    bool all = vm->uart.tx_len == 0;
    vm_unlock(vm);
    return all || time_now_ns() >= vm->end_by_ns;
}

static bool end_if_due(struct vm *vm) {
    switch (__atomic_load_n(&vm->ending, __ATOMIC_SEQ_CST)) {
    case VM_ENDING_NO:
        return false;
    case VM_ENDING_CRASH:
        crash(vm);
        return true;
    default:
        if (!last_words_read(vm))
            return false;
        end_machine(vm);
        return true;
    }
}

bool vm_housekeep(void) {
    bool any = false;
    for (unsigned i = 0; i < vm_slots_used(); i++) {
        struct vm *vm = vm_slot(i);
        if (vm != NULL && vm->state == VM_RUNNING)
            any |= end_if_due(vm);
    }
    return any;
}

bool vm_poll(void) {
    return sched_poll();
}

uint64_t vm_next_ns(void) {
    return sched_next_ns();
}

uint64_t vm_pause_time_ns(const struct vm *vm) {
    return time_tsc_to_ns(vm->pause_tsc);
}

uint64_t vm_first_entry_ns(const struct vm *vm) {
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++) {
        uint64_t tsc = __atomic_load_n(&vm->cpu[i].vcpu.first_entry_tsc, __ATOMIC_RELAXED);
        if (tsc != 0)
            first = MIN(first, tsc);
    }
    return first == UINT64_MAX ? 0 : time_tsc_to_ns(first);
}

uint64_t vm_tsc_hz(const struct vm *vm) {
    return vm->clock.tsc_hz;
}
