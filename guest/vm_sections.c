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
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++)
        vmsr_snapshot(&vm->cpu[i].msr, s);
}

static void save_irq(struct vm *vm, struct snap *s) {
    for (unsigned i = 0; !s->loading && i < vm->spec.nr_vcpus; i++)
        vm_cpu_take_requests(&vm->cpu[i]);
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

static void save_kvmpv(struct vm *vm, struct snap *s) {
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++)
        vkvmpv_snapshot(&vm->cpu[i].pv, s);
}

static struct vcpu_state vcpu_buffer; /* one caller at a time (CPU 0); too large for the stack */

static void save_vcpu(struct vm *vm, unsigned index, struct snap *s) {
    if (!s->loading)
        vcpu_get_state(&vm->cpu[index].vcpu, &vcpu_buffer);
    vcpu_snapshot(&vcpu_buffer, s);
}

/* Guest TSC of the pause: the moment from which the blackout counts. */
static void save_time(struct vm *vm, struct snap *s) {
    uint64_t hz = vm->clock.tsc_hz;
    if (!s->loading && vm->state != VM_INCOMING)
        vm->saved_tsc = vm->pause_tsc + vm->clock.tsc_offset;
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
    {{12, 1, "kvmpv"}, save_kvmpv},
};

/* After those of the machine, one per vCPU: 10 for the first, then VCPU_SECTION_BASE + n. */
#define VCPU_SECTION_FIRST 10u
#define VCPU_SECTION_BASE 0x100u
#define VCPU_SECTION_VERSION 1u

static uint16_t vcpu_section_id(unsigned vcpu) {
    return (uint16_t)(vcpu == 0 ? VCPU_SECTION_FIRST : VCPU_SECTION_BASE + vcpu);
}

bool vm_section_iterate(uint32_t nr_vcpus, unsigned index, struct vm_section *out) {
    if (index < ARRAY_LEN(sections)) {
        *out = sections[index].section;
        return true;
    }
    unsigned vcpu = index - (unsigned)ARRAY_LEN(sections);
    if (vcpu >= MIN(nr_vcpus, VM_MAX_VCPUS))
        return false;
    *out = (struct vm_section){vcpu_section_id(vcpu), VCPU_SECTION_VERSION, "vcpu"};
    return true;
}

/* Its place in vm_section_iterate, or -1. */
static int section_find(const struct vm *vm, uint16_t id) {
    struct vm_section section;
    for (unsigned i = 0; vm_section_iterate(vm->spec.nr_vcpus, i, &section); i++)
        if (section.id == id)
            return (int)i;
    return -1;
}

static void snapshot_section(struct vm *vm, unsigned index, struct snap *s) {
    if (index < ARRAY_LEN(sections))
        sections[index].snapshot(vm, s);
    else
        save_vcpu(vm, index - (unsigned)ARRAY_LEN(sections), s);
}

result_t vm_section_save(struct vm *vm, uint16_t id, uint8_t *buf, size_t cap, size_t *used) {
    int i = section_find(vm, id);
    if (i < 0)
        return fail(ERR_NOENT);
    ASSERT(vm->state != VM_RUNNING);
    struct snap s;
    snap_begin_save(&s, buf, cap);
    snapshot_section(vm, (unsigned)i, &s);
    return snap_end(&s, used);
}

result_t vm_section_load(struct vm *vm, uint16_t id, uint16_t version, const uint8_t *buf, size_t len, struct reason *why) {
    int i = section_find(vm, id);
    struct vm_section section;
    if (i < 0 || !vm_section_iterate(vm->spec.nr_vcpus, (unsigned)i, &section))
        return reason_set(why, ERR_UNSUPP, "VM %s: state section %u is not known here", vm->spec.name, (unsigned)id);
    if (version != section.version)
        return reason_set(why, ERR_VERSION, "VM %s: state section %s has version %u, this host reads version %u", vm->spec.name,
                          section.name, (unsigned)version, (unsigned)section.version);
    struct snap s;
    snap_begin_load(&s, buf, len);
    snapshot_section(vm, (unsigned)i, &s);
    result_t r = snap_end(&s, NULL);
    if (r != OK)
        return reason_set(why, r, "VM %s: state section %s (%u) of %lu bytes is damaged", vm->spec.name, section.name,
                          (unsigned)id, (unsigned long)len);
    if ((unsigned)i >= ARRAY_LEN(sections))
        return vcpu_set_state(&vm->cpu[(unsigned)i - ARRAY_LEN(sections)].vcpu, &vcpu_buffer, why);
    return OK;
}

result_t vm_activate(struct vm *vm, uint64_t blackout_ns, struct reason *why) {
    if (vm->state != VM_INCOMING)
        return reason_set(why, ERR_BUSY, "VM %s cannot be activated: it is %s", vm->spec.name, vm_state_str(vm->state));
    uint64_t guest_tsc = vm->saved_tsc + vclock_ns_to_tsc(&vm->clock, blackout_ns);
    vm->clock.tsc_offset = guest_tsc - cpu_rdtsc();
    vm->device_timers_stale = true;
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++) {
        vm_apply_tsc_offset(&vm->cpu[i]);
        vm->cpu[i].vcpu.first_entry_tsc = 0;
    }
    vm_set_state(vm, VM_RUNNING);
    return OK;
}
