/* SPDX-License-Identifier: MIT */
/* vm_vcpu.c - what the vCPU asks its machine between an exit and the next entry. These run on every such exit. */
#include "guest/vm_priv.h"
#include "vmx/vcpu_state.h"

#define FAR_FUTURE (UINT64_MAX / 2) /* guests park deadlines there; subtracting an offset must not wrap */

static struct vlapic *lapic_of(const struct vm_cpu *c) {
    return virq_lapic(&c->vm->irq, c->index);
}

static uint32_t on_pio_read(void *ctx, uint16_t port, unsigned size) {
    struct vm_cpu *c = ctx;
    vm_lock(c->vm);
    uint32_t value = bus_pio_read(&c->vm->bus, port, size);
    vm_touch_port(c, port);
    vm_unlock(c->vm);
    return value;
}

static void on_pio_write(void *ctx, uint16_t port, unsigned size, uint32_t value) {
    struct vm_cpu *c = ctx;
    vm_lock(c->vm);
    bus_pio_write(&c->vm->bus, port, size, value);
    vm_touch_port(c, port);
    vm_unlock(c->vm);
}

void vm_cpu_sync_eoi(struct vm_cpu *c) {
    if (vkvmpv_has_offer(&c->pv) && vkvmpv_take_eoi(&c->pv))
        vlapic_eoi(lapic_of(c));
}

/* Exactly one vector is in service, edge-triggered, and none waits: nothing would follow from its EOI. */
static bool eoi_is_quiet(const struct vlapic *l) {
    if (l->irr_words != 0 || l->isr_words == 0 || (l->isr_words & (l->isr_words - 1)) != 0)
        return false;
    unsigned offset = 0x10u * (unsigned)__builtin_ctz(l->isr_words);
    uint32_t in_service = vlapic_reg(l, LAPIC_ISR + offset);
    return (in_service & (in_service - 1)) == 0 && (vlapic_reg(l, LAPIC_TMR + offset) & in_service) == 0;
}

void vm_cpu_take_requests(struct vm_cpu *c) {
    struct vlapic_requests requests;
    vm_cpu_sync_eoi(c);
    if (!vlapic_has_news(lapic_of(c)) || !vlapic_take(lapic_of(c), &requests))
        return;
    if (requests.init)
        vcpu_take_init(&c->vcpu);
    if (requests.sipi)
        vcpu_take_sipi(&c->vcpu, requests.sipi_vector);
}

static void on_take_requests(void *ctx) {
    vm_cpu_take_requests(ctx);
}

bool vm_cpu_has_events(const struct vm_cpu *c) {
    return vlapic_has_pending(lapic_of(c)) || vlapic_has_news(lapic_of(c)) || vkvmpv_is_kicked(&c->pv);
}

static unsigned on_pending(void *ctx) {
    struct vm_cpu *c = ctx;
    const struct vlapic *l = lapic_of(c);
    if (vkvmpv_wants_eoi(&c->pv) && eoi_is_quiet(l))
        vkvmpv_offer_eoi(&c->pv);
    bool wake = c->vcpu.activity == VCPU_HALTED && vkvmpv_take_kick(&c->pv);
    return (wake ? VCPU_PENDING_WAKE : 0) |
           ((l->pending & (VLAPIC_PENDING_VECTOR | VLAPIC_PENDING_EXTINT)) != 0 ? VCPU_PENDING_IRQ : 0) |
           (vlapic_nmi_pending(l) ? VCPU_PENDING_NMI : 0);
}

static int on_irq_accept(void *ctx) {
    return vlapic_accept(lapic_of(ctx));
}

static bool on_nmi_accept(void *ctx) {
    return vlapic_accept_nmi(lapic_of(ctx));
}

static uint8_t on_get_cr8(void *ctx) {
    vm_cpu_sync_eoi(ctx);
    return vlapic_tpr(lapic_of(ctx)) >> 4;
}

static void on_set_cr8(void *ctx, uint8_t value) {
    vm_cpu_sync_eoi(ctx);
    vlapic_set_tpr(lapic_of(ctx), (uint8_t)(value << 4));
}

static void on_run_timers(void *ctx) {
    vm_run_events(ctx);
}

uint64_t vm_cpu_next_timer(struct vm_cpu *c) {
    uint64_t tsc = vm_next_event_tsc(c);
    return tsc > FAR_FUTURE ? UINT64_MAX : tsc - c->vm->clock.tsc_offset;
}

static uint64_t on_next_timer(void *ctx) {
    return vm_cpu_next_timer(ctx);
}

static bool on_rdmsr(void *ctx, uint32_t msr, uint64_t *value) {
    vm_cpu_sync_eoi(ctx);
    return vmsr_read(&((struct vm_cpu *)ctx)->msr, msr, value) == VMSR_OK;
}

static bool on_wrmsr(void *ctx, uint32_t msr, uint64_t value) {
    vm_cpu_sync_eoi(ctx);
    return vmsr_write(&((struct vm_cpu *)ctx)->msr, msr, value) == VMSR_OK;
}

static uint64_t on_cr4_allowed(void *ctx) {
    return vcpuid_cr4_allowed(&((struct vm_cpu *)ctx)->vm->cpuid);
}

static uint64_t on_xcr0_allowed(void *ctx) {
    return vcpuid_xcr0(&((struct vm_cpu *)ctx)->vm->cpuid);
}

void vm_cpu_crashed(struct vm_cpu *c) {
    c->vm->crashed_cpu = c->index; /* a second one at the same time may overwrite it: both stand where they crashed */
    vm_end(c->vm, VM_ENDING_CRASH);
}

/* Most leaves are constant; these depend on the moment. */
static bool depends_on_context(uint32_t leaf) {
    return leaf == CPUID_LEAF_FEATURES || leaf == CPUID_LEAF_EXT_FEATURES || leaf == CPUID_LEAF_TOPOLOGY ||
           leaf == CPUID_LEAF_XSAVE || leaf == CPUID_LEAF_TOPOLOGY_V2 || leaf == CPUID_LEAF_EXT_SIGNATURE;
}

static void on_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
    struct vm_cpu *c = ctx;
    struct vcpuid_context context = {0};
    if (depends_on_context(leaf)) {
        const struct vlapic *lapic = lapic_of(c);
        context.apic_id = lapic->id;
        context.cr4 = vcpu_read_cr4(&c->vcpu);
        context.xcr0 = c->vcpu.xcr0;
        context.apic_disabled = !vlapic_is_hw_enabled(lapic);
    }
    vcpuid_query(&c->vm->cpuid, leaf, subleaf, &context, out);
}

const struct vcpu_ops vm_vcpu_ops = {
    .cpuid = on_cpuid,
    .pio_read = on_pio_read,
    .pio_write = on_pio_write,
    .pio_string = vm_emulate_string_io,
    .mmio = vm_emulate_mmio,
    .rdmsr = on_rdmsr,
    .wrmsr = on_wrmsr,
    .hypercall = vm_hypercall,
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
