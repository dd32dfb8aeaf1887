/* SPDX-License-Identifier: MIT */
/* vm.c - which VMs there are, their states, and the operator's verbs.
 *
 *   VM_STOPPED --boot--> VM_PAUSED --resume--> VM_RUNNING --pause--> VM_PAUSED
 *   VM_RUNNING --triple fault--> VM_CRASHED          any --stop/destroy--> VM_STOPPED
 *   migration source:  VM_PAUSED --COMMIT--> VM_IN_DOUBT --ABORTED--> VM_PAUSED,  --STARTED--> destroyed
 *   migration target:  VM_INCOMING --activate--> VM_RUNNING */
#include "guest/vm.h"

#include <stdlib.h>
#include <string.h>

#include "guest/vm_priv.h"
#include "guest/vm_run.h"
#include "kernel/io.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/random.h"
#include "kernel/time.h"

#define MAX_VMS VM_SLOTS

/* One row per name: a definition, a live machine, or both. */
static struct {
    struct vm_spec spec;
    bool used, defined;
    struct vm *live;
} slots[MAX_VMS];
static unsigned slots_used; /* of them, the highest number ever used + 1 */

static const char *const state_names[VM_NR_STATES] = {
    [VM_INVALID] = "invalid", [VM_STOPPED] = "stopped",   [VM_RUNNING] = "running",  [VM_PAUSED] = "paused",
    [VM_INCOMING] = "incoming", [VM_IN_DOUBT] = "in-doubt", [VM_CRASHED] = "crashed",
};

static const uint8_t legal_next[VM_NR_STATES] = {
    [VM_RUNNING] = BIT(VM_PAUSED) | BIT(VM_CRASHED),
    [VM_PAUSED] = BIT(VM_RUNNING) | BIT(VM_IN_DOUBT),
    [VM_INCOMING] = BIT(VM_RUNNING),
    [VM_IN_DOUBT] = BIT(VM_PAUSED),
};

const char *vm_state_str(enum vm_state s) {
    return s < VM_NR_STATES ? state_names[s] : "unknown";
}

const char *cpu_baseline_str(enum cpu_baseline b) {
    static const char *const names[] = {"invalid", "v2", "v3", "host"};
    return b < ARRAY_LEN(names) ? names[b] : "unknown";
}

const char *dirty_method_str(enum dirty_method m) {
    static const char *const names[] = {"none", "auto", "pml", "dbit", "wp"};
    return m < ARRAY_LEN(names) ? names[m] : "unknown";
}

/* All at the same time; the time it takes does not depend on how many there are. The guest's time without a CPU begins when the
 * last of those that ran came out of it; if all slept, now. */
static void stop_vcpus(struct vm *vm) {
    uint64_t start = cpu_rdtsc();
    sched_close(vm);
    vm->pause_tsc = start;
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++)
        vm->pause_tsc = MAX(vm->pause_tsc, vm->cpu[i].vcpu.last_exit_tsc);
    vm->pause_ns = time_tsc_to_ns(cpu_rdtsc() - start);
}

void vm_set_state(struct vm *vm, enum vm_state s) {
    ASSERT(s < VM_NR_STATES && (legal_next[vm->state] & BIT(s)) != 0);
    bool ran = vm->state == VM_RUNNING;
    __atomic_store_n(&vm->state, s, __ATOMIC_SEQ_CST);
    if (s == VM_RUNNING)
        sched_open(vm);
    else if (ran)
        stop_vcpus(vm);
}

uint64_t vm_pause_latency_ns(const struct vm *vm) {
    return vm->pause_ns;
}

enum vm_state vm_get_state(const struct vm *vm) {
    return vm->state;
}

const struct vm_spec *vm_get_spec(const struct vm *vm) {
    return &vm->spec;
}

const uint8_t *vm_get_uuid(const struct vm *vm) {
    return vm->uuid;
}

void vm_set_uuid(struct vm *vm, const uint8_t *uuid) {
    memcpy(vm->uuid, uuid, VM_UUID_LEN);
}

static int slot_find(const char *name) {
    for (int i = 0; i < MAX_VMS; i++)
        if (slots[i].used && strcmp(slots[i].spec.name, name) == 0)
            return i;
    return -1;
}

static int slot_take(const char *name) {
    int found = slot_find(name);
    for (int i = 0; found < 0 && i < MAX_VMS; i++)
        if (!slots[i].used)
            found = i;
    return found;
}

struct vm *vm_find(const char *name) {
    int i = slot_find(name);
    return i < 0 ? NULL : slots[i].live;
}

bool vm_vcpu_info(struct vm *vm, unsigned index, struct vm_vcpu_info *out) {
    static const char *const activities[] = {
        [VCPU_ACTIVE] = "active", [VCPU_HALTED] = "halted", [VCPU_WAIT_SIPI] = "wait-for-SIPI"};
    if (index >= vm->spec.nr_vcpus)
        return false;
    const struct vm_cpu *c = &vm->cpu[index];
    *out = (struct vm_vcpu_info){
        .cpu = vm_may_run(vm) ? __atomic_load_n(&c->sched.home, __ATOMIC_RELAXED) : -1,
        .activity = activities[__atomic_load_n(&c->vcpu.activity, __ATOMIC_RELAXED)],
        .run_ns = time_tsc_to_ns(__atomic_load_n(&c->sched.run_tsc, __ATOMIC_RELAXED)),
        .wait_ns = time_tsc_to_ns(__atomic_load_n(&c->sched.wait_tsc, __ATOMIC_RELAXED)),
        .exits = __atomic_load_n(&c->vcpu.nr_exits, __ATOMIC_RELAXED),
    };
    return true;
}

bool vm_exit_stats(struct vm *vm, unsigned index, struct vm_exit_count *out) {
    for (unsigned reason = 0; reason < VCPU_NR_EXIT_REASONS; reason++) {
        uint64_t count = 0;
        for (unsigned i = 0; i < vm->spec.nr_vcpus; i++)
            count += __atomic_load_n(&vm->cpu[i].vcpu.exits_by[reason], __ATOMIC_RELAXED);
        if (count == 0 || index-- != 0)
            continue;
        *out = (struct vm_exit_count){vcpu_exit_name(reason), count};
        return true;
    }
    return false;
}

static void sum_vcpus(struct vm *vm, struct vm_info *out) {
    struct vm_vcpu_info one;
    for (unsigned i = 0; vm_vcpu_info(vm, i, &one); i++) {
        out->run_ns += one.run_ns;
        out->wait_ns += one.wait_ns;
        out->exits += one.exits;
    }
}

bool vm_iterate(unsigned index, struct vm_info *out) {
    for (unsigned i = 0; i < MAX_VMS; i++) {
        if (!slots[i].used || index-- != 0)
            continue;
        struct vm *vm = slots[i].live;
        const struct vm_spec *spec = vm != NULL ? &vm->spec : &slots[i].spec;
        *out = (struct vm_info){.state = VM_STOPPED, .memory_bytes = spec->memory_bytes, .nr_vcpus = spec->nr_vcpus, .vm = vm};
        memcpy(out->name, spec->name, sizeof out->name);
        if (vm != NULL) {
            out->state = vm->state;
            out->guest_ns = vclock_ns(&vm->clock);
            sum_vcpus(vm, out);
        }
        return true;
    }
    return false;
}

/* The configuration's rule for names; an offer from a peer must keep it, too. */
static bool name_is_valid(const char *name) {
    for (const char *c = name; *c != '\0'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!letter && *c != '-' && *c != '_' && *c != '.')
            return false;
    }
    return true;
}

static result_t check_spec(const struct vm_spec *spec, struct reason *why) {
    if (spec->name[0] == '\0' || memchr(spec->name, '\0', VM_NAME_LEN) == NULL || !name_is_valid(spec->name))
        return reason_set(why, ERR_INVAL, "a VM needs a name of 1 to %d letters, digits, '-', '_' and '.'", VM_NAME_LEN - 1);
    if (spec->nr_vcpus == 0 || spec->nr_vcpus > VM_MAX_VCPUS)
        return reason_set(why, ERR_UNSUPP, "VM %s asks for %u vCPUs; a guest has 1 to %u", spec->name, (unsigned)spec->nr_vcpus,
                          VM_MAX_VCPUS);
    return OK;
}

result_t vm_define(const struct vm_spec *spec, struct reason *why) {
    result_t r = check_spec(spec, why);
    if (r != OK)
        return r;
    int i = slot_take(spec->name);
    if (i < 0)
        return reason_set(why, ERR_FULL, "VM %s: there are %d VMs already, the limit of a host", spec->name, MAX_VMS);
    if (slots[i].used && slots[i].defined)
        return reason_set(why, ERR_EXIST, "VM %s is defined twice", spec->name);
    slots[i].spec = *spec;
    slots[i].used = slots[i].defined = true;
    return OK;
}

static void release(struct vm *vm) {
    vm_platform_destroy(vm);
    for (unsigned i = 0; vm->cpu != NULL && i < vm->spec.nr_vcpus; i++)
        vcpu_destroy(&vm->cpu[i].vcpu);
    vm_memory_destroy(vm);
    free(vm->cpu);
    free(vm);
}

static result_t create_vcpus(struct vm *vm, struct reason *why) {
    vm->cpu = calloc(vm->spec.nr_vcpus, sizeof *vm->cpu);
    result_t r = vm->cpu == NULL ? fail(ERR_NOMEM) : OK;
    for (unsigned i = 0; i < vm->spec.nr_vcpus && r == OK; i++) {
        struct vm_cpu *c = &vm->cpu[i];
        c->vm = vm;
        c->index = i;
        c->sched.home = SCHED_NO_CPU;
        r = vcpu_create(&c->vcpu, &vm_vcpu_ops, c, &vm->ept, &vm->dirty);
        if (r == OK)
            vcpu_set_pause_exiting(&c->vcpu, vm->spec.nr_vcpus > 1);
    }
    if (r != OK)
        reason_set(why, r, "VM %s: no memory for its %u vCPUs", vm->spec.name, (unsigned)vm->spec.nr_vcpus);
    return r;
}

static result_t build(struct vm *vm, struct reason *why) {
    result_t r = vm_memory_create(vm, why);
    if (r == OK)
        r = create_vcpus(vm, why);
    if (r == OK)
        r = vm_platform_create(vm, why);
    return r;
}

result_t vm_create(const struct vm_spec *spec, enum vm_state state, struct vm **out, struct reason *why) {
    ASSERT(state == VM_PAUSED || state == VM_INCOMING);
    result_t r = vmx_status(why);
    if (r == OK)
        r = check_spec(spec, why);
    if (r != OK)
        return r;
    int i = slot_take(spec->name);
    if (i < 0)
        return reason_set(why, ERR_FULL, "VM %s: there are %d VMs already, the limit of a host", spec->name, MAX_VMS);
    if (slots[i].used && slots[i].live != NULL)
        return reason_set(why, ERR_EXIST, "VM %s exists already on this host and is %s; stop it or use another name", spec->name,
                          vm_state_str(slots[i].live->state));
    struct vm *vm = calloc(1, sizeof *vm);
    if (vm == NULL)
        return reason_set(why, ERR_NOMEM, "VM %s: no memory for the machine's data", spec->name);
    vm->spec = *spec;
    vm->state = state;
    vm->lock = (struct spinlock)SPINLOCK("vm", LOCK_RANK_VM);
    r = build(vm, why);
    if (r != OK) {
        release(vm);
        return r;
    }
    if (!slots[i].used)
        slots[i].spec = *spec;
    slots[i].used = true;
    slots[i].live = vm;
    slots_used = MAX(slots_used, (unsigned)i + 1);
    *out = vm;
    return OK;
}

void vm_destroy(struct vm *vm) {
    int i = slot_find(vm->spec.name);
    ASSERT(i >= 0 && slots[i].live == vm);
    slots[i].live = NULL;
    slots[i].used = slots[i].defined;
    __atomic_store_n(&vm->ending, VM_ENDING_POWER_OFF, __ATOMIC_SEQ_CST); /* whatever its state: no vCPU enters it again */
    sched_close(vm);
    sched_forget();
    release(vm);
}

result_t vm_boot(const char *name, struct reason *why) {
    int i = slot_find(name);
    if (i < 0)
        return reason_set(why, ERR_NOENT, "there is no VM named %s; `vm list` shows those that are configured", name);
    if (slots[i].live != NULL)
        return reason_set(why, ERR_EXIST, "VM %s is %s already; `vm stop %s` ends it", name,
                          vm_state_str(slots[i].live->state), name);
    if (slots[i].spec.broken)
        return reason_set(why, ERR_INVAL, "VM %s: its section of godwit.cfg has a mistake (`log` shows it); mend it and restart",
                          name);
    struct vm *vm;
    result_t r = vm_create(&slots[i].spec, VM_PAUSED, &vm, why);
    if (r != OK)
        return r;
    random_bytes(vm->uuid, sizeof vm->uuid);
    r = vm_load_boot(vm, why);
    if (r != OK) {
        vm_destroy(vm);
        return r;
    }
    vm_set_state(vm, VM_RUNNING);
    log_info("vm %s: started, %lu MiB, %u vCPUs, CPU baseline %s", name, (unsigned long)(vm->spec.memory_bytes / MIB),
             (unsigned)vm->spec.nr_vcpus, cpu_baseline_str(vm->spec.cpu));
    return OK;
}

static result_t wrong_state(const struct vm *vm, const char *what, struct reason *why) {
    return reason_set(why, ERR_BUSY, "VM %s cannot be %s: it is %s", vm->spec.name, what, vm_state_str(vm->state));
}

result_t vm_pause(struct vm *vm, struct reason *why) {
    if (vm->state != VM_RUNNING)
        return wrong_state(vm, "paused", why);
    if (!vm_may_run(vm))
        return reason_set(why, ERR_BUSY, "VM %s cannot be paused: the guest has just ended its machine", vm->spec.name);
    vm_set_state(vm, VM_PAUSED);
    return OK;
}

result_t vm_resume(struct vm *vm, struct reason *why) {
    if (vm->state != VM_PAUSED)
        return wrong_state(vm, "resumed", why);
    vm_set_state(vm, VM_RUNNING);
    return OK;
}

result_t vm_stop(const char *name, struct reason *why) {
    int i = slot_find(name);
    if (i < 0)
        return reason_set(why, ERR_NOENT, "there is no VM named %s; `vm list` shows those that are configured", name);
    if (slots[i].live == NULL)
        return reason_set(why, ERR_BUSY, "VM %s is stopped already", name);
    if (slots[i].live->state == VM_IN_DOUBT || slots[i].live->state == VM_INCOMING)
        return wrong_state(slots[i].live, "stopped", why);
    vm_destroy(slots[i].live);
    return OK;
}

unsigned vm_slots_used(void) {
    return slots_used;
}

struct vm *vm_slot(unsigned index) {
    return index < MAX_VMS ? slots[index].live : NULL;
}

/* While a migration holds the machine, what it printed and what is typed belong to the copy that will go on. */
static bool console_is_held(const struct vm *vm) {
    return vm->state == VM_IN_DOUBT || vm->state == VM_INCOMING || (vm->state == VM_PAUSED && vm->dirty.mode != DIRTY_MODE_OFF);
}

size_t vm_console_read(struct vm *vm, char *buf, size_t cap) {
    if (console_is_held(vm))
        return 0;
    vm_lock(vm);
    size_t n = vuart_drain(&vm->uart, buf, cap);
    vm_unlock(vm);
    return n;
}

size_t vm_console_write(struct vm *vm, const char *buf, size_t len) {
    if (console_is_held(vm))
        return 0;
    vm_lock(vm);
    size_t n = vuart_receive(&vm->uart, buf, len);
    vm_unlock(vm);
    return n;
}
