/* SPDX-License-Identifier: MIT */
/* vkvmpv.h - KVM's paravirtual helps that save exits, for one vCPU: stolen time, EOI by a bit in memory, IPIs and wake-ups by
 * hypercall.
 * - vkvmpv_read_msr, vkvmpv_write_msr: where the guest keeps the two structures.
 * - vkvmpv_add_steal: the vCPU waited for a CPU.
 * - vkvmpv_offer_eoi / vkvmpv_take_eoi: the next EOI may be a cleared bit / was it?
 * - vkvmpv_kick / vkvmpv_take_kick: another vCPU ends this one's HLT without an interrupt.
 * - vkvmpv_snapshot: the field list.
 *
 *   struct kvm_steal_time, 64 octets             PV EOI: one 32-bit word
 *      0 steal      ns without a CPU                0 bit 0: set by the host: this interrupt's EOI need not be written;
 *      8 version    odd while being written             the guest clears it instead
 *     12 flags  16 preempted  17 pad
 * Source: Linux, Documentation/virt/kvm/x86/msr.rst and hypercalls.rst.
 * Pure. Context: the CPU that runs the vCPU, but vkvmpv_kick: any. */
#ifndef GUEST_VKVMPV_H
#define GUEST_VKVMPV_H

#include "guest/gmem.h"
#include "guest/snapshot.h"

#define KVM_HC_KICK_CPU 5u
#define KVM_HC_SEND_IPI 10u
#define KVM_ENOSYS ((uint64_t)-1000)
#define KVM_EINVAL ((uint64_t)-22)

#define VKVMPV_STEAL_STEP_NS (50 * NSEC_PER_USEC) /* less is not worth a write into the guest, which a migration must send */

struct vkvmpv {
    struct gmem *mem;
    uint64_t steal_msr; /* as written: address, bit 0 = enabled */
    uint64_t steal_ns;  /* all */
    uint64_t told_ns;   /* what the guest was told of it */
    uint32_t version;   /* of the structure, even */
    uint64_t eoi_msr;   /* the same */
    bool eoi_offered;   /* the guest's bit was set by us */
    bool kicked;        /* [a] a wake-up waits for its HLT */
};

void vkvmpv_init(struct vkvmpv *p, struct gmem *mem);
/* vkvmpv_read_msr, vkvmpv_write_msr - MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN. Errors: ERR_NOENT (not one of them), ERR_RANGE
 * (address not RAM or not aligned, reserved bits): #GP, nothing changes. */
result_t vkvmpv_read_msr(const struct vkvmpv *p, uint32_t msr, uint64_t *value) MUST_CHECK;
result_t vkvmpv_write_msr(struct vkvmpv *p, uint32_t msr, uint64_t value) MUST_CHECK;

void vkvmpv_add_steal(struct vkvmpv *p, uint64_t ns);

/* vkvmpv_offer_eoi - set the bit; nothing when the guest has not asked for it. For an edge-triggered interrupt that is the only one
 * in service, with no other waiting.
 * vkvmpv_take_eoi - before anything looks at the local APIC: takes the offer back; true when the guest has used it, so that the
 * EOI must be carried out now. */
void vkvmpv_offer_eoi(struct vkvmpv *p);
static inline bool vkvmpv_wants_eoi(const struct vkvmpv *p) {
    return (p->eoi_msr & 1) != 0 && !p->eoi_offered;
}
static inline bool vkvmpv_has_offer(const struct vkvmpv *p) {
    return p->eoi_offered;
}
bool vkvmpv_take_eoi(struct vkvmpv *p);

static inline void vkvmpv_kick(struct vkvmpv *p) {
    __atomic_store_n(&p->kicked, true, __ATOMIC_SEQ_CST);
}
static inline bool vkvmpv_is_kicked(const struct vkvmpv *p) {
    return __atomic_load_n(&p->kicked, __ATOMIC_SEQ_CST);
}
static inline bool vkvmpv_take_kick(struct vkvmpv *p) {
    return vkvmpv_is_kicked(p) && __atomic_exchange_n(&p->kicked, false, __ATOMIC_SEQ_CST);
}

/* vkvmpv_snapshot - no offer is open (vkvmpv_take_eoi at the pause). */
void vkvmpv_snapshot(struct vkvmpv *p, struct snap *s);

#endif
