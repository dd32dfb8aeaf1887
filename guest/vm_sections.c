/* SPDX-License-Identifier: MIT */
/* vm_sections.c - everything but memory that is state, one section per device (design section 1.2).
 * The order is the order of loading: time first, since timers are armed with the guest's TSC frequency; CPUID before the
 * vCPU, whose registers are checked against it. */
#include "guest/vcpu_snapshot.h"
#include "guest/vm_priv.h"
#include "kernel/panic.h"
#include "kernel/io.h"

static void save_cpuid(struct vm *vm, struct snap *s) {
    vcpuid_snapshot(&vm->cpuid, s);
}

static void save_msr(struct vm *vm, struct snap *s) {
    vmsr_snapshot(&vm->msr, s);
}

static void save_irq(struct vm *vm, struct snap *s) {
    virq_snapshot(&vm->irq, s);
}

static void save_pit(struct vm *vm, struct snap *s) {
    vpit_snapshot(&vm->pit, s);
}

static void save_rtc(struct vm *vm, struct snap *s) {
    vrtc_snapshot(&vm->rtc, s);
}

static void save_pm(struct vm *vm, struct snap *s) {
    vpm_snapshot(&vm->pm, s);
}

static void save_uart(struct vm *vm, struct snap *s) {
    vuart_snapshot(&vm->uart, s);
}

static void save_misc(struct vm *vm, struct snap *s) {
    vmisc_snapshot(&vm->misc, s);
}

static void save_kvmclock(struct vm *vm, struct snap *s) {
    vkvmclock_snapshot(&vm->kvmclock, s);
}

static struct vcpu_state vcpu_buffer; /* one caller at a time (CPU 0); too large for the stack */

static void save_vcpu(struct vm *vm, struct snap *s) {
    if (!s->loading)
        vcpu_get_state(&vm->vcpu, &vcpu_buffer);
    vcpu_snapshot(&vcpu_buffer, s);
}

/* Guest TSC at the last exit: the moment from which the blackout counts. */
static void save_time(struct vm *vm, struct snap *s) {
    uint64_t hz = vm->clock.tsc_hz;
    if (!s->loading && vm->state != VM_INCOMING)
        vm->saved_tsc = vm->vcpu.last_exit_tsc + vm->clock.tsc_offset;
    snap_u64(s, &vm->saved_tsc);
    snap_u64(s, &hz);
    if (s->loading) {
        bool fits = vm_host_check_tsc_hz(hz, NULL) == OK;
        snap_require(s, fits);
        if (fits) /* the guest's seconds stay as long as they were */
            vclock_init(&vm->clock, hz, vm->clock.read_tsc);
    }
}

static const struct {
    struct vm_section section;
    void (*snapshot)(struct vm *vm, struct snap *s);
} sections[] = {
    {{11, 1, "time"}, save_time},  {{1, 1, "cpuid"}, save_cpuid}, {{2, 1, "msr"}, save_msr}, {{3, 1, "irq"}, save_irq},
    {{4, 1, "pit"}, save_pit},     {{5, 1, "rtc"}, save_rtc}, {{6, 1, "pm"}, save_pm},
    {{7, 1, "uart"}, save_uart},   {{8, 1, "misc"}, save_misc}, {{9, 1, "kvmclock"}, save_kvmclock},
    {{10, 1, "vcpu"}, save_vcpu},
};

bool vm_section_iterate(unsigned index, struct vm_section *out) {
    if (index >= ARRAY_LEN(sections))
        return false;
    *out = sections[index].section;
    return true;
}

static int section_find(uint16_t id) {
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (sections[i].section.id == id)
            return (int)i;
    return -1;
}

result_t vm_section_save(struct vm *vm, uint16_t id, uint8_t *buf, size_t cap, size_t *used) {
    int i = section_find(id);
    if (i < 0)
        return fail(ERR_NOENT);
    ASSERT(vm->state != VM_RUNNING);
    struct snap s;
    snap_begin_save(&s, buf, cap);
    sections[i].snapshot(vm, &s);
    return snap_end(&s, used);
}

result_t vm_section_load(struct vm *vm, uint16_t id, uint16_t version, const uint8_t *buf, size_t len, struct reason *why) {
    int i = section_find(id);
    if (i < 0)
        return reason_set(why, ERR_UNSUPP, "VM %s: state section %u is not known here", vm->spec.name, (unsigned)id);
    if (version != sections[i].section.version)
        return reason_set(why, ERR_VERSION, "VM %s: state section %s has version %u, this host reads version %u", vm->spec.name,
                          sections[i].section.name, (unsigned)version, (unsigned)sections[i].section.version);
    struct snap s;
    snap_begin_load(&s, buf, len);
    sections[i].snapshot(vm, &s);
    result_t r = snap_end(&s, NULL);
    if (r != OK)
        return reason_set(why, r, "VM %s: state section %s of %lu bytes is damaged", vm->spec.name, sections[i].section.name,
                          (unsigned long)len);
    if (sections[i].snapshot == save_vcpu)
        return vcpu_set_state(&vm->vcpu, &vcpu_buffer, why);
    return OK;
}

result_t vm_activate(struct vm *vm, uint64_t blackout_ns, struct reason *why) {
    if (vm->state != VM_INCOMING)
        return reason_set(why, ERR_BUSY, "VM %s cannot be activated: it is %s", vm->spec.name, vm_state_str(vm->state));
    uint64_t guest_tsc = vm->saved_tsc + vclock_ns_to_tsc(&vm->clock, blackout_ns);
    vm->clock.tsc_offset = guest_tsc - cpu_rdtsc();
    vm_apply_tsc_offset(vm);
    vm->device_timers_stale = true;
    vm->vcpu.first_entry_tsc = 0;
    vm_set_state(vm, VM_RUNNING);
    return OK;
}
