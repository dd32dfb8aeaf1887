/* SPDX-License-Identifier: MIT */
/* vm_hypercall.c - what a guest may ask by VMCALL: KVM's calls that save exits between vCPUs.
 * Source: Linux, Documentation/virt/kvm/x86/hypercalls.rst. */
#include "guest/vm_priv.h"

/* a: flags, APIC ID. The other vCPU's HLT ends, or its next one does. */
static uint64_t kick_cpu(struct vm *vm, const uint64_t a[4]) {
    if (a[1] >= vm->spec.nr_vcpus)
        return KVM_EINVAL;
    vkvmpv_kick(&vm->cpu[a[1]].pv);
    sched_kick(vm, (unsigned)a[1]);
    return 0;
}

/* a: bits for 128 APIC IDs (64-bit guests; 64 for 32-bit ones), the ID of bit 0, an ICR's low half. One exit for all of them.
 * Returns how many there were. */
static uint64_t send_ipi(struct vm *vm, const uint64_t a[4], bool wide) {
    const struct irq_msg msg = {
        .vector = (uint8_t)a[3],
        .mode = (uint8_t)((a[3] & LAPIC_ICR_MODE_MASK) >> LAPIC_ICR_MODE_SHIFT),
        .wide = true,
    };
    uint64_t sent = 0;
    unsigned bits = wide ? 64 : 32;
    if ((msg.mode != LAPIC_MODE_FIXED && msg.mode != LAPIC_MODE_NMI) || (msg.mode == LAPIC_MODE_FIXED && msg.vector < 16))
        return KVM_EINVAL;
    for (unsigned i = 0; i < 2 * bits; i++) {
        uint64_t id = a[2] + i;
        if ((a[i / bits] >> (i % bits) & 1) == 0 || id < a[2] || id >= vm->spec.nr_vcpus)
            continue;
        if (vlapic_post(virq_lapic(&vm->irq, (unsigned)id), &msg))
            sched_kick(vm, (unsigned)id);
        sent++;
    }
    return sent;
}

uint64_t vm_hypercall(void *ctx, uint64_t nr, const uint64_t a[4], bool wide) {
    struct vm_cpu *c = ctx;
    switch (nr) {
    case KVM_HC_KICK_CPU:
        return kick_cpu(c->vm, a);
    case KVM_HC_SEND_IPI:
        return send_ipi(c->vm, a, wide);
    default:
        return KVM_ENOSYS;
    }
}
