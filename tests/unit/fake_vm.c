/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_vm.h"

#include "tests/unit/fake_host.h"

#include "kernel/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VMS 16
#define SECTION_BYTES 24

struct vm {
    unsigned host;
    struct vm_spec spec;
    enum vm_state state;
    uint8_t uuid[VM_UUID_LEN];
    struct gmem gmem;
    uint8_t **chunk;
    uint64_t *dirty; /* written since the last collect; NULL: no log */
    enum dirty_method method;
    uint8_t section[FAKE_VM_SECTIONS][SECTION_BYTES];
    unsigned loaded; /* bit per section */
    uint64_t pause_ns, first_entry_ns;
    bool activated;
};

struct fake_vm_host fake_vm_host[FAKE_HOSTS];
static struct vm *vms[MAX_VMS];
static struct fake_random rnd;
static char violation[160];
static uint8_t ended[VM_UUID_LEN]; /* of the guest that ended itself */

/* The guest as it was at its newest pause, to compare at activation. */
static struct {
    bool valid;
    uint8_t uuid[VM_UUID_LEN];
    uint8_t *memory;
    uint64_t bytes;
    uint8_t section[FAKE_VM_SECTIONS][SECTION_BYTES];
} at_pause;

/* Chunks are kept and used again: thousands of runs would otherwise spend their time in mmap. */
static uint8_t *spare[64];
static unsigned nr_spare;

static uint8_t *take_chunk(void) {
    if (nr_spare == 0)
        return calloc(1, LARGE_SIZE);
    memset(spare[--nr_spare], 0, LARGE_SIZE);
    return spare[nr_spare];
}

static void give_chunk(uint8_t *chunk) {
    if (nr_spare < ARRAY_LEN(spare))
        spare[nr_spare++] = chunk;
    else
        free(chunk);
}

static void violate(const char *what, const struct vm *vm) {
    if (violation[0] == '\0')
        snprintf(violation, sizeof violation, "%s: VM %s on host %u", what, vm->spec.name, vm->host);
}

const char *fake_vm_violation(void) {
    return violation[0] != '\0' ? violation : NULL;
}

static void free_vm(struct vm *vm) {
    for (uint64_t i = 0; i < vm->gmem.nr_chunks; i++)
        give_chunk(vm->chunk[i]);
    free(vm->chunk);
    free(vm->dirty);
    free(vm);
}

void fake_vm_reset(uint64_t seed) {
    for (unsigned i = 0; i < MAX_VMS; i++)
        if (vms[i] != NULL)
            free_vm(vms[i]), vms[i] = NULL;
    at_pause.valid = false;
    violation[0] = '\0';
    memset(ended, 0, sizeof ended);
    rnd.state = seed * 2 + 1;
    for (unsigned h = 0; h < FAKE_HOSTS; h++)
        fake_vm_host[h] = (struct fake_vm_host){
            .free_bytes = 64 * MIB, .features = 0xff, .section_version = 1, .dirty_pages = 4};
}

static void check_single_owner(const struct vm *vm) {
    for (unsigned i = 0; i < MAX_VMS; i++)
        if (vms[i] != NULL && vms[i] != vm && vms[i]->state == VM_RUNNING &&
            memcmp(vms[i]->uuid, vm->uuid, VM_UUID_LEN) == 0)
            violate("I1 two machines run it", vm);
    if (!vm->activated && memcmp(ended, vm->uuid, VM_UUID_LEN) == 0)
        violate("I1 it runs though it ended itself elsewhere", vm);
}

static void run_state(struct vm *vm, enum vm_state s) {
    vm->state = s;
    if (s == VM_RUNNING)
        check_single_owner(vm);
}

unsigned fake_vm_count(unsigned host) {
    unsigned n = 0;
    for (unsigned i = 0; i < MAX_VMS; i++)
        n += vms[i] != NULL && vms[i]->host == host;
    return n;
}

unsigned fake_vm_running(const char *name) {
    unsigned n = 0;
    for (unsigned i = 0; i < MAX_VMS; i++)
        n += vms[i] != NULL && vms[i]->state == VM_RUNNING && strcmp(vms[i]->spec.name, name) == 0;
    return n;
}

unsigned fake_vm_log_count(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < MAX_VMS; i++)
        n += vms[i] != NULL && vms[i]->dirty != NULL;
    return n;
}

struct vm *fake_vm_on(unsigned host, const char *name) {
    for (unsigned i = 0; i < MAX_VMS; i++)
        if (vms[i] != NULL && vms[i]->host == host && strcmp(vms[i]->spec.name, name) == 0)
            return vms[i];
    return NULL;
}

void fake_vm_end(struct vm *vm) {
    memcpy(ended, vm->uuid, VM_UUID_LEN);
    for (unsigned i = 0; i < MAX_VMS; i++)
        if (vms[i] == vm)
            vms[i] = NULL;
    free_vm(vm);
}

void fake_vm_crash(struct vm *vm) {
    vm->state = VM_CRASHED;
}

void fake_vm_lose_host(unsigned host) {
    for (unsigned i = 0; i < MAX_VMS; i++)
        if (vms[i] != NULL && vms[i]->host == host)
            free_vm(vms[i]), vms[i] = NULL;
}

void fake_vm_damage(struct vm *vm, uint64_t index) {
    vm->gmem.chunk[index >> 9][(index & 511) * PAGE_SIZE + 100] ^= 1;
}

uint64_t fake_vm_steps(const struct vm *vm) {
    uint64_t n;
    memcpy(&n, vm->section[0], 8);
    return n;
}

static void guest_write(struct vm *vm, uint64_t index) {
    uint64_t *p = (uint64_t *)(void *)(vm->chunk[index >> 9] + ((index & 511) << PAGE_SHIFT));
    if (fake_random_below(&rnd, 8) == 0) {
        memset(p, 0, PAGE_SIZE);
    } else {
        p[fake_random_below(&rnd, 512)] = fake_random_next(&rnd);
        p[0] = index + 1;
    }
    if (vm->dirty != NULL)
        vm->dirty[index >> 6] |= BIT(index & 63);
}

static void guest_step(struct vm *vm) {
    uint64_t steps = fake_vm_steps(vm) + 1;
    for (unsigned i = 0; i < fake_vm_host[vm->host].dirty_pages; i++)
        guest_write(vm, fake_random_below(&rnd, vm->gmem.nr_pages));
    memcpy(vm->section[0], &steps, 8);
    memcpy(vm->section[1], &fake_time_ns, 8);
}

void fake_vm_run(void) {
    unsigned before = fake_host;
    for (unsigned i = 0; i < MAX_VMS; i++) {
        struct vm *vm = vms[i];
        if (vm == NULL || vm->state != VM_RUNNING || fake_vm_host[vm->host].idle)
            continue;
        fake_host = vm->host;
        if (vm->activated && vm->first_entry_ns == 0) {
            if (fake_vm_host[vm->host].never_enter) {
                vm->state = VM_CRASHED;
                continue;
            }
            vm->first_entry_ns = time_now_ns();
            if (fake_vm_host[vm->host].crash_entered) {
                vm->state = VM_CRASHED;
                continue;
            }
        }
        check_single_owner(vm);
        if (!fake_vm_host[vm->host].halted)
            guest_step(vm);
    }
    fake_host = before;
}

result_t vm_create(const struct vm_spec *spec, enum vm_state state, struct vm **out, struct reason *why) {
    struct fake_vm_host *h = &fake_vm_host[fake_host];
    if (vm_find(spec->name) != NULL)
        return reason_set(why, ERR_EXIST, "a VM named '%s' exists here", spec->name);
    if (spec->memory_bytes > h->free_bytes)
        return reason_set(why, ERR_NOMEM, "%lu MiB asked, %lu MiB free; stop a VM",
                          (unsigned long)(spec->memory_bytes / MIB), (unsigned long)(h->free_bytes / MIB));
    for (unsigned i = 0; i < MAX_VMS; i++) {
        if (vms[i] != NULL)
            continue;
        struct vm *vm = vms[i] = calloc(1, sizeof *vm);
        vm->host = fake_host;
        vm->spec = *spec;
        vm->state = state;
        vm->chunk = calloc(spec->memory_bytes / LARGE_SIZE, sizeof *vm->chunk);
        if (gmem_init(&vm->gmem, spec->memory_bytes, vm->chunk) != OK)
            abort();
        for (uint64_t c = 0; c < vm->gmem.nr_chunks; c++)
            vm->chunk[c] = take_chunk();
        *out = vm;
        return OK;
    }
    return reason_set(why, ERR_NOMEM, "no slot left");
}

/* A copy is destroyed: somewhere else there must be a complete image. */
static void check_not_the_last(const struct vm *vm) {
    if (memcmp(ended, vm->uuid, VM_UUID_LEN) == 0)
        return;
    for (unsigned i = 0; i < MAX_VMS; i++)
        if (vms[i] != NULL && vms[i] != vm && memcmp(vms[i]->uuid, vm->uuid, VM_UUID_LEN) == 0 &&
            vms[i]->state != VM_INCOMING)
            return;
    violate("I2 the last complete image was destroyed", vm);
}

void vm_destroy(struct vm *vm) {
    if (vm->state != VM_INCOMING && vm->state != VM_CRASHED)
        check_not_the_last(vm);
    for (unsigned i = 0; i < MAX_VMS; i++)
        if (vms[i] == vm)
            vms[i] = NULL;
    free_vm(vm);
}

struct vm *fake_vm_boot(unsigned host, const char *name, uint64_t bytes) {
    struct vm_spec spec = {.memory_bytes = bytes, .nr_vcpus = 1, .cpu = CPU_BASELINE_V2, .dirty = DIRTY_AUTO};
    struct vm *vm = NULL;
    unsigned before = fake_host;
    snprintf(spec.name, sizeof spec.name, "%s", name);
    snprintf(spec.cmdline, sizeof spec.cmdline, "console=ttyS0 quiet");
    fake_host = host;
    if (vm_create(&spec, VM_PAUSED, &vm, NULL) != OK)
        abort();
    fake_host = before;
    for (unsigned i = 0; i < VM_UUID_LEN; i++)
        vm->uuid[i] = (uint8_t)fake_random_next(&rnd);
    for (uint64_t i = 0; i < vm->gmem.nr_pages; i += 1 + fake_random_below(&rnd, 16))
        guest_write(vm, i);
    run_state(vm, VM_RUNNING);
    return vm;
}

static void remember_pause(const struct vm *vm) {
    if (at_pause.bytes != vm->gmem.nr_pages * PAGE_SIZE) {
        free(at_pause.memory);
        at_pause.bytes = vm->gmem.nr_pages * PAGE_SIZE;
        at_pause.memory = malloc(at_pause.bytes);
    }
    at_pause.valid = true;
    memcpy(at_pause.uuid, vm->uuid, VM_UUID_LEN);
    memcpy(at_pause.section, vm->section, sizeof vm->section);
    for (uint64_t i = 0; i < vm->gmem.nr_chunks; i++)
        memcpy(at_pause.memory + i * LARGE_SIZE, vm->chunk[i], LARGE_SIZE);
}

result_t vm_pause(struct vm *vm, struct reason *why) {
    if (vm->state != VM_RUNNING || fake_vm_host[vm->host].fail_pause)
        return reason_set(why, ERR_BUSY, "VM is %s", vm_state_str(vm->state));
    run_state(vm, VM_PAUSED);
    vm->pause_ns = time_now_ns();
    remember_pause(vm);
    return OK;
}

result_t vm_resume(struct vm *vm, struct reason *why) {
    if (vm->state != VM_PAUSED)
        return reason_set(why, ERR_BUSY, "VM is %s", vm_state_str(vm->state));
    run_state(vm, VM_RUNNING);
    return OK;
}

bool vm_iterate(unsigned index, struct vm_info *out) {
    for (unsigned i = 0; i < MAX_VMS; i++)
        if (vms[i] != NULL && vms[i]->host == fake_host && index-- == 0) {
            *out = (struct vm_info){
                .state = vms[i]->state, .memory_bytes = vms[i]->spec.memory_bytes, .vm = vms[i]};
            memcpy(out->name, vms[i]->spec.name, sizeof out->name);
            return true;
        }
    return false;
}

struct vm *vm_find(const char *name) {
    return fake_vm_on(fake_host, name);
}

enum vm_state vm_get_state(const struct vm *vm) {
    return vm->state;
}

void vm_set_state(struct vm *vm, enum vm_state s) {
    bool legal = (vm->state == VM_PAUSED && s == VM_IN_DOUBT) || (vm->state == VM_IN_DOUBT && s == VM_PAUSED);
    if (!legal)
        violate("illegal change of the VM's state", vm);
    run_state(vm, s);
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

struct gmem *vm_gmem(struct vm *vm) {
    return &vm->gmem;
}

result_t vm_dirty_start(struct vm *vm, enum dirty_method m, struct reason *why) {
    if (fake_vm_host[vm->host].fail_dirty_start || vm->dirty != NULL)
        return reason_set(why, ERR_UNSUPP, "dirty logging by %s is not possible here", dirty_method_str(m));
    vm->dirty = calloc((vm->gmem.nr_pages + 63) / 64, 8);
    vm->method = m;
    return OK;
}

uint64_t vm_dirty_collect(struct vm *vm, uint64_t *bitmap) {
    uint64_t n = 0;
    for (size_t i = 0; i < (vm->gmem.nr_pages + 63) / 64; i++) {
        n += (uint64_t)__builtin_popcountll(vm->dirty[i] & ~bitmap[i]);
        bitmap[i] |= vm->dirty[i];
        vm->dirty[i] = 0;
    }
    return n;
}

void vm_dirty_stop(struct vm *vm) {
    free(vm->dirty);
    vm->dirty = NULL;
}

enum dirty_method vm_dirty_active(const struct vm *vm) {
    return vm->dirty != NULL ? vm->method : DIRTY_INVALID;
}

bool vm_section_iterate(uint32_t nr_vcpus, unsigned index, struct vm_section *out) {
    (void)nr_vcpus;
    static const char *const names[] = {"vcpu", "clock", "uart"};
    if (index >= FAKE_VM_SECTIONS)
        return false;
    *out = (struct vm_section){.id = (uint16_t)(index + 1), .version = 1, .name = names[index]};
    if (index == 1)
        out->version = fake_vm_host[fake_host].section_version;
    return true;
}

result_t vm_section_save(struct vm *vm, uint16_t id, uint8_t *buf, size_t cap, size_t *used) {
    size_t len = id == 3 ? SECTION_BYTES - 3 : SECTION_BYTES;
    if (vm->state == VM_RUNNING)
        violate("state saved while running", vm);
    if (fake_vm_host[vm->host].fail_section_save || len > cap)
        return fail(ERR_FULL);
    memcpy(buf, vm->section[id - 1], len);
    *used = len;
    return OK;
}

result_t vm_section_load(struct vm *vm, uint16_t id, uint16_t version, const uint8_t *buf, size_t len,
                         struct reason *why) {
    (void)version;
    if (vm->state != VM_INCOMING || id == 0 || id > FAKE_VM_SECTIONS || len > SECTION_BYTES ||
        fake_vm_host[vm->host].fail_section_load)
        return reason_set(why, ERR_CORRUPT, "section %u cannot be loaded", id);
    memcpy(vm->section[id - 1], buf, len);
    vm->loaded |= 1u << id;
    return OK;
}

void vm_cpu_features(const struct vm *vm, uint32_t words[VM_CPU_FEATURE_WORDS]) {
    memset(words, 0, VM_CPU_FEATURE_WORDS * sizeof words[0]);
    words[0] = fake_vm_host[vm->host].features;
}

result_t vm_host_check_features(const uint32_t words[VM_CPU_FEATURE_WORDS], struct reason *why) {
    if ((words[0] & ~fake_vm_host[fake_host].features) != 0)
        return reason_set(why, ERR_UNSUPP, "this CPU lacks feature %#x; start the VM with cpu=v2",
                          words[0] & ~fake_vm_host[fake_host].features);
    return OK;
}

uint64_t vm_tsc_hz(const struct vm *vm) {
    (void)vm;
    return 2000000000;
}

result_t vm_host_check_tsc_hz(uint64_t hz, struct reason *why) {
    return hz == 2000000000 ? OK
                            : reason_set(why, ERR_UNSUPP, "TSC of %lu Hz cannot be given", (unsigned long)hz);
}

uint64_t vm_pause_time_ns(const struct vm *vm) {
    return vm->pause_ns;
}

/* I5: what is about to run equals what was paused. */
static void check_image(const struct vm *vm) {
    if (!at_pause.valid || memcmp(at_pause.uuid, vm->uuid, VM_UUID_LEN) != 0) {
        violate("I4 activated without a pause", vm);
        return;
    }
    for (uint64_t i = 0; i < vm->gmem.nr_pages; i++)
        if (memcmp(gmem_page(&vm->gmem, i), at_pause.memory + i * PAGE_SIZE, PAGE_SIZE) != 0) {
            violate("I5 memory differs from the pause", vm);
            return;
        }
    if (memcmp(vm->section, at_pause.section, sizeof vm->section) != 0)
        violate("I5 state differs from the pause", vm);
}

result_t vm_activate(struct vm *vm, uint64_t blackout_ns, struct reason *why) {
    (void)blackout_ns;
    if (vm->state != VM_INCOMING || vm->loaded != 0xeu || fake_vm_host[vm->host].fail_activate)
        return reason_set(why, ERR_BUSY, "cannot be activated");
    check_image(vm);
    vm->activated = true;
    run_state(vm, VM_RUNNING);
    return OK;
}

uint64_t vm_first_entry_ns(const struct vm *vm) {
    return vm->first_entry_ns;
}

__attribute__((weak)) const char *vm_state_str(enum vm_state s) {
    static const char *const names[] = {"invalid",  "stopped",  "running", "paused",
                                        "incoming", "in doubt", "crashed"};
    return (unsigned)s < VM_NR_STATES ? names[s] : "unknown";
}

__attribute__((weak)) const char *dirty_method_str(enum dirty_method m) {
    static const char *const names[] = {"invalid", "auto", "pml", "dbit", "wp"};
    return (unsigned)m < ARRAY_LEN(names) ? names[m] : "unknown";
}
