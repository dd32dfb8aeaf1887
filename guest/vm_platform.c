/* SPDX-License-Identifier: MIT */
/* vm_platform.c - the devices of one machine: creation in dependency order, their timers, power, time. */
#include <stdlib.h>
#include <string.h>

#include "guest/vm_priv.h"
#include "kernel/cpu.h"
#include "kernel/frames.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/io.h"
#include "kernel/time.h"
#include "vmx/vmx_caps.h"

#define GSI_PIT 0
#define GSI_COM1 4
#define GSI_RTC 8
#define GSI_SCI 9
#define COM1_BASE 0x3f8

static uint64_t read_guest_tsc(const struct vclock *c) {
    return cpu_rdtsc() + c->tsc_offset;
}

void vm_end(struct vm *vm, enum vm_ending why) {
    uint32_t none = VM_ENDING_NO;
    __atomic_compare_exchange_n(&vm->ending, &none, why, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++) {
        vcpu_request_stop(&vm->cpu[i].vcpu);
        sched_kick(vm, i);
    }
    sched_kick_housekeeper();
}

static void on_reset(void *ctx) {
    vm_end(ctx, VM_ENDING_RESET);
}

static void on_kick(void *ctx, unsigned cpu) {
    sched_kick(ctx, cpu);
}

static void on_power_off(void *ctx) {
    vm_end(ctx, VM_ENDING_POWER_OFF);
}

void vm_apply_tsc_offset(struct vm_cpu *c) {
    vcpu_set_tsc_offset(&c->vcpu, c->vm->clock.tsc_offset + virq_lapic(&c->vm->irq, c->index)->tsc_adjust);
}

static result_t attach_all(struct vm *vm) {
    result_t r = virq_attach(&vm->irq, &vm->bus);
    if (r == OK)
        r = vpit_attach(&vm->pit, &vm->bus);
    if (r == OK)
        r = vrtc_attach(&vm->rtc, &vm->bus);
    if (r == OK)
        r = vpm_attach(&vm->pm, &vm->bus);
    if (r == OK)
        r = vuart_attach(&vm->uart, &vm->bus);
    if (r == OK)
        r = vmisc_attach(&vm->misc, &vm->bus);
    return r;
}

static bool on_kvm_read(void *ctx, uint32_t msr, uint64_t *value) {
    struct vm_cpu *c = ctx;
    if (vkvmpv_read_msr(&c->pv, msr, value) == OK)
        return true;
    vm_lock(c->vm);
    result_t r = vkvmclock_read_msr(&c->vm->kvmclock, c->index, msr, value);
    vm_unlock(c->vm);
    return r == OK;
}

static bool on_kvm_write(void *ctx, uint32_t msr, uint64_t value) {
    struct vm_cpu *c = ctx;
    result_t own = vkvmpv_write_msr(&c->pv, msr, value);
    if (own != ERR_NOENT)
        return own == OK;
    vm_lock(c->vm);
    result_t r = vkvmclock_write_msr(&c->vm->kvmclock, c->index, msr, value);
    vm_unlock(c->vm);
    return r == OK;
}

static void on_tsc_adjust(void *ctx, uint64_t adjust) {
    struct vm_cpu *c = ctx;
    vm_lock(c->vm);
    vkvmclock_set_tsc_adjust(&c->vm->kvmclock, c->index, adjust);
    vm_unlock(c->vm);
    vm_apply_tsc_offset(c);
}

static void host_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
    (void)ctx;
    struct cpuid_regs r = cpu_cpuid(leaf, subleaf);
    out[0] = r.eax, out[1] = r.ebx, out[2] = r.ecx, out[3] = r.edx;
}

static struct vcpuid_host describe_host(void) {
    struct vcpuid_host host = {
        .cpuid = host_cpuid,
        .microcode = (uint32_t)(cpu_rdmsr(MSR_IA32_BIOS_SIGN_ID) >> 32),
        .rdtscp = vmx_get_caps()->rdtscp,
        .invpcid = vmx_get_caps()->invpcid,
    };
    struct cpuid_regs leaf7 = cpu_cpuid(7, 0);
    if (cpu_cpuid(0, 0).eax >= 7 && (leaf7.edx & CPUID_7_EDX_ARCH_CAPABILITIES) != 0)
        host.arch_capabilities = cpu_rdmsr(MSR_IA32_ARCH_CAPABILITIES);
    return host;
}

static result_t create_cpu(struct vm *vm, struct reason *why) {
    const struct vcpuid_host host = describe_host();
    const struct vcpuid_config config = {vm->spec.cpu, vm->spec.nr_vcpus, vm->clock.tsc_hz};
    result_t r = vcpuid_build(&vm->cpuid, &config, &host, why);
    if (r != OK)
        return r;
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++) {
        struct vm_cpu *c = &vm->cpu[i];
        const struct vmsr_ops ops = {
            .ctx = c, .set_tsc_adjust = on_tsc_adjust, .kvm_read = on_kvm_read, .kvm_write = on_kvm_write};
        vkvmpv_init(&c->pv, &vm->mem);
        vmsr_init(&c->msr, &vm->cpuid, virq_lapic(&vm->irq, i), &ops);
    }
    return OK;
}

static unsigned irq_order(const struct vm *vm) {
    unsigned order = 0;
    while (PAGE_SIZE << order < vm->spec.nr_vcpus * sizeof(struct vlapic))
        order++;
    return order;
}

result_t vm_platform_create(struct vm *vm, struct reason *why) {
    vm->pio_index = calloc(BUS_PIO_PORTS, 1);
    vm->irq_frames = frames_alloc(irq_order(vm));
    if (vm->pio_index == NULL || vm->irq_frames == 0)
        return reason_set(why, ERR_NOMEM, "VM %s: no memory for its port table and local APICs", vm->spec.name);
    vclock_init(&vm->clock, time_tsc_hz(), read_guest_tsc);
    vm->clock.tsc_offset = -cpu_rdtsc();
    uint64_t wall_ns = time_wall_ns();
    bus_init(&vm->bus, vm->pio_index);
    const struct power_ops power = {on_reset, on_power_off, vm};
    const struct virq_host host = {vm, on_kick, on_reset, &vm->lock};
    virq_init(&vm->irq, vm->spec.nr_vcpus, phys_to_virt(vm->irq_frames), &vm->clock, &host);
    vpit_init(&vm->pit, &vm->clock, virq_line(&vm->irq, GSI_PIT));
    vrtc_init(&vm->rtc, &vm->clock, virq_line(&vm->irq, GSI_RTC), wall_ns, vm->mem.low_bytes, vm->mem.high_bytes);
    vpm_init(&vm->pm, &vm->clock, virq_line(&vm->irq, GSI_SCI), power);
    vuart_init(&vm->uart, COM1_BASE, virq_line(&vm->irq, GSI_COM1));
    vmisc_init(&vm->misc, power);
    vkvmclock_init(&vm->kvmclock, vm->spec.nr_vcpus, &vm->clock, &vm->mem, wall_ns);
    result_t r = attach_all(vm);
    if (r != OK)
        return reason_set(why, r, "VM %s: two devices claim one address (%s)", vm->spec.name, result_str(r));
    r = create_cpu(vm, why);
    if (r != OK)
        return r;
    vm->device_timers_stale = true;
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++)
        vm_apply_tsc_offset(&vm->cpu[i]);
    return OK;
}

void vm_cpu_features(const struct vm *vm, uint32_t words[VM_CPU_FEATURE_WORDS]) {
    vcpuid_features(&vm->cpuid, words);
}

result_t vm_host_check_features(const uint32_t words[VM_CPU_FEATURE_WORDS], struct reason *why) {
    result_t r = vmx_status(why); /* the first reason is the one that helps */
    if (r != OK)
        return r;
    const struct vcpuid_host host = describe_host();
    return vcpuid_check_host(words, &host, why);
}

/* TSC scaling is not used yet: only a host of the same frequency can continue a guest's TSC. Calibrated values jitter. */
#define TSC_TOLERANCE_PPM 250u

result_t vm_host_check_tsc_hz(uint64_t hz, struct reason *why) {
    uint64_t own = time_tsc_hz();
    uint64_t difference = hz > own ? hz - own : own - hz;
    if (difference > own / 1000000 * TSC_TOLERANCE_PPM)
        return reason_set(why, ERR_UNSUPP, "the guest's TSC runs at %lu kHz, this host's at %lu kHz; without TSC scaling a guest "
                          "moves only between hosts within %u ppm", (unsigned long)(hz / 1000), (unsigned long)(own / 1000),
                          TSC_TOLERANCE_PPM);
    return OK;
}

void vm_platform_destroy(struct vm *vm) {
    if (vm->irq_frames != 0)
        frames_free(vm->irq_frames, irq_order(vm));
    vm->irq_frames = 0;
    free(vm->pio_index);
    vm->pio_index = NULL;
}

/* Ports whose accesses can move a timer: PIT and port 0x61, CMOS, the PM block. The PIC, UART and delay ports cannot. */
void vm_touch_port(struct vm_cpu *c, uint16_t port) {
    bool legacy = (port >= 0x40 && port <= 0x43) || port == 0x61 || port == 0x70 || port == 0x71;
    bool pm = port >= 0x600 && port < 0x640;
    if (!legacy && !pm)
        return;
    __atomic_store_n(&c->vm->device_timers_stale, true, __ATOMIC_RELEASE);
    if (c->index != 0)
        sched_kick(c->vm, 0);
}

static uint64_t device_next_tsc(struct vm *vm) {
    if (__atomic_load_n(&vm->device_timers_stale, __ATOMIC_ACQUIRE)) {
        vm_lock(vm);
        __atomic_store_n(&vm->device_timers_stale, false, __ATOMIC_RELAXED);
        uint64_t ns = MIN(MIN(vpit_next_event(&vm->pit), vrtc_next_event(&vm->rtc)), vpm_next_event(&vm->pm));
        vm->device_next_tsc = vclock_ns_to_tsc(&vm->clock, ns);
        vm_unlock(vm);
    }
    return vm->device_next_tsc;
}

uint64_t vm_next_event_tsc(struct vm_cpu *c) {
    uint64_t own = vlapic_next_event_tsc(virq_lapic(&c->vm->irq, c->index));
    return c->index == 0 ? MIN(own, device_next_tsc(c->vm)) : own;
}

void vm_run_events(struct vm_cpu *c) {
    struct vm *vm = c->vm;
    vlapic_run(virq_lapic(&vm->irq, c->index));
    if (c->index != 0 || vclock_tsc(&vm->clock) < vm->device_next_tsc)
        return;
    vm_lock(vm);
    vpit_run(&vm->pit);
    vrtc_run(&vm->rtc);
    vpm_run(&vm->pm);
    vm_unlock(vm);
    __atomic_store_n(&vm->device_timers_stale, true, __ATOMIC_RELEASE);
}
