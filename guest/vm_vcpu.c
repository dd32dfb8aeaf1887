/* SPDX-License-Identifier: MIT */
/* vm_vcpu.c - what the vCPU asks its machine between an exit and the next entry. These run on every such exit. */
#include "guest/vm_priv.h"

#define FAR_FUTURE (UINT64_MAX / 2) /* guests park deadlines there; subtracting an offset must not wrap */


static uint32_t on_pio_read(void *ctx, uint16_t port, unsigned size) {
    struct vm *vm = ctx;
    uint32_t value = bus_pio_read(&vm->bus, port, size);
    vm_touch_port(vm, port);
    return value;
}

static void on_pio_write(void *ctx, uint16_t port, unsigned size, uint32_t value) {
    struct vm *vm = ctx;
    bus_pio_write(&vm->bus, port, size, value);
    vm_touch_port(vm, port);
}

static bool on_irq_pending(void *ctx) {
    return virq_has_vector(&((struct vm *)ctx)->irq);
}

static int on_irq_accept(void *ctx) {
    return virq_accept(&((struct vm *)ctx)->irq);
}

static bool on_nmi_pending(void *ctx) {
    return virq_nmi_pending(&((struct vm *)ctx)->irq);
}

static bool on_nmi_accept(void *ctx) {
    return virq_nmi_accept(&((struct vm *)ctx)->irq);
}

static uint8_t on_get_cr8(void *ctx) {
    return virq_tpr(&((struct vm *)ctx)->irq) >> 4;
}

static void on_set_cr8(void *ctx, uint8_t value) {
    virq_set_cr8(&((struct vm *)ctx)->irq, value);
}

static void on_run_timers(void *ctx) {
    vm_run_events(ctx);
}

static uint64_t on_next_timer(void *ctx) {
    struct vm *vm = ctx;
    uint64_t tsc = vm_next_event_tsc(vm);
    return tsc > FAR_FUTURE ? UINT64_MAX : tsc - vm->clock.tsc_offset;
}

static bool on_rdmsr(void *ctx, uint32_t msr, uint64_t *value) {
    struct vm *vm = ctx;
    return vmsr_read(&vm->msr, msr, value) == VMSR_OK;
}

static bool on_wrmsr(void *ctx, uint32_t msr, uint64_t value) {
    struct vm *vm = ctx;
    return vmsr_write(&vm->msr, msr, value) == VMSR_OK;
}

static uint64_t on_cr4_allowed(void *ctx) {
    return vcpuid_cr4_allowed(&((struct vm *)ctx)->cpuid);
}

static uint64_t on_xcr0_allowed(void *ctx) {
    return vcpuid_xcr0(&((struct vm *)ctx)->cpuid);
}

static void on_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
    struct vm *vm = ctx;
    const struct vlapic *lapic = &vm->irq.lapic[0];
    const struct vcpuid_context context = {
        .apic_id = lapic->id,
        .cr4 = vcpu_read_cr4(&vm->vcpu),
        .xcr0 = vm->vcpu.xcr0,
        .apic_disabled = !vlapic_is_hw_enabled(lapic),
    };
    vcpuid_query(&vm->cpuid, leaf, subleaf, &context, out);
}

const struct vcpu_ops vm_vcpu_ops = {
    .cpuid = on_cpuid,
    .pio_read = on_pio_read,
    .pio_write = on_pio_write,
    .pio_string = vm_emulate_string_io,
    .mmio = vm_emulate_mmio,
    .rdmsr = on_rdmsr,
    .wrmsr = on_wrmsr,
    .irq_pending = on_irq_pending,
    .irq_accept = on_irq_accept,
    .nmi_pending = on_nmi_pending,
    .nmi_accept = on_nmi_accept,
    .get_cr8 = on_get_cr8,
    .set_cr8 = on_set_cr8,
    .run_timers = on_run_timers,
    .next_timer_tsc = on_next_timer,
    .xcr0_allowed = on_xcr0_allowed,
    .cr4_allowed = on_cr4_allowed,
};
