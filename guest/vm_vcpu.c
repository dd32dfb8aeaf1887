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

static void on_take_requests(void *ctx) {
    (void)ctx; /* one vCPU: nobody sends */
}

static unsigned on_pending(void *ctx) {
    const struct vm *vm = ctx;
    return (virq_has_vector(&vm->irq) ? VCPU_PENDING_IRQ : 0) | (virq_nmi_pending(&vm->irq) ? VCPU_PENDING_NMI : 0);
}

static int on_irq_accept(void *ctx) {
    return virq_accept(&((struct vm *)ctx)->irq);
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

/* Most leaves are constant; these depend on the moment. */
static bool depends_on_context(uint32_t leaf) {
    return leaf == CPUID_LEAF_FEATURES || leaf == CPUID_LEAF_EXT_FEATURES || leaf == CPUID_LEAF_TOPOLOGY ||
           leaf == CPUID_LEAF_XSAVE || leaf == CPUID_LEAF_TOPOLOGY_V2 || leaf == CPUID_LEAF_EXT_SIGNATURE;
}

static void on_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
    struct vm *vm = ctx;
    struct vcpuid_context context = {0};
    if (depends_on_context(leaf)) {
        const struct vlapic *lapic = &vm->irq.lapic[0];
        context.apic_id = lapic->id;
        context.cr4 = vcpu_read_cr4(&vm->vcpu);
        context.xcr0 = vm->vcpu.xcr0;
        context.apic_disabled = !vlapic_is_hw_enabled(lapic);
    }
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
    .take_requests = on_take_requests,
    .pending = on_pending,
    .irq_accept = on_irq_accept,
    .nmi_accept = on_nmi_accept,
    .get_cr8 = on_get_cr8,
    .set_cr8 = on_set_cr8,
    .run_timers = on_run_timers,
    .next_timer_tsc = on_next_timer,
    .xcr0_allowed = on_xcr0_allowed,
    .cr4_allowed = on_cr4_allowed,
};
