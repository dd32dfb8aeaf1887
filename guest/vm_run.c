/* SPDX-License-Identifier: MIT */
/* vm_run.c - time slices, and what a guest asked for its whole machine: reset, power-off; or a crash. */
#include "guest/vm_run.h"

#include "guest/vm_priv.h"
#include "kernel/io.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "vmx/vmcs.h"

#define LAST_WORDS_NS NSEC_PER_SEC

static void dump_line(const char *text) {
    log_error("  %s", text);
}

/* The VM stays for inspection; only it stops. */
static void crash(struct vm *vm) {
    vm_set_state(vm, VM_CRASHED);
    log_error("vm %s: stopped: %s; `vm stop %s` frees it", vm->spec.name, vm->vcpu.crash.text, vm->spec.name);
    for (unsigned i = 0; i < NR_REGS; i += 4)
        log_error("  r%02u-r%02u %016lx %016lx %016lx %016lx", i, i + 3, (unsigned long)vm->vcpu.regs[i],
                  (unsigned long)vm->vcpu.regs[i + 1], (unsigned long)vm->vcpu.regs[i + 2], (unsigned long)vm->vcpu.regs[i + 3]);
    vcpu_make_current(&vm->vcpu);
    vmcs_dump(dump_line);
}

/* Reset and power-off end the machine; a reset starts the definition again if there is one here. */
static void end_machine(struct vm *vm) {
    char name[VM_NAME_LEN];
    __builtin_memcpy(name, vm->spec.name, sizeof name);
    bool again = vm->reset_request;
    log_info("vm %s: the guest %s", name, again ? "reset its machine" : "powered off");
    vm_destroy(vm);
    struct reason why;
    if (again && vm_boot(name, &why) != OK)
        log_warn("vm %s: not started again: %s", name, why.text);
}

static bool is_ending(const struct vm *vm) {
    return vm->reset_request || vm->power_off_request;
}

/* Let an attached console read the last lines before the machine goes. */
static bool last_words_read(struct vm *vm) {
    if (vm->end_by_ns == 0)
        vm->end_by_ns = time_now_ns() + LAST_WORDS_NS;
    return vm->uart.tx_len == 0 || time_now_ns() >= vm->end_by_ns;
}

static bool run_slice(struct vm *vm) {
    if (is_ending(vm)) {
        if (last_words_read(vm))
            end_machine(vm);
        return false;
    }
    uint64_t start = cpu_rdtsc();
    enum vcpu_stop stop = vcpu_run(&vm->vcpu, start + time_ns_to_tsc(VM_SLICE_NS));
    vm->run_tsc += vm->vcpu.last_exit_tsc - start;
    if (stop == VCPU_STOP_CRASHED)
        crash(vm);
    else
        return stop == VCPU_STOP_SLICE;
    return true;
}

bool vm_poll(void) {
    bool ran = false;
    for (unsigned i = 0; i < VM_SLOTS; i++) {
        struct vm *vm = vm_slot(i);
        if (vm != NULL && vm->state == VM_RUNNING)
            ran |= run_slice(vm);
    }
    return ran;
}

uint64_t vm_next_ns(void) {
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < VM_SLOTS; i++) {
        struct vm *vm = vm_slot(i);
        if (vm == NULL || vm->state != VM_RUNNING)
            continue;
        uint64_t tsc = vm_next_event_tsc(vm);
        if (tsc < UINT64_MAX / 2) /* guests park deadlines far away */
            next = MIN(next, time_tsc_to_ns(tsc - vm->clock.tsc_offset));
    }
    return next;
}

uint64_t vm_pause_time_ns(const struct vm *vm) {
    return time_tsc_to_ns(vm->vcpu.last_exit_tsc);
}

uint64_t vm_first_entry_ns(const struct vm *vm) {
    return vm->vcpu.first_entry_tsc == 0 ? 0 : time_tsc_to_ns(vm->vcpu.first_entry_tsc);
}

uint64_t vm_tsc_hz(const struct vm *vm) {
    return vm->clock.tsc_hz;
}
