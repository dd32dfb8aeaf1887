/* SPDX-License-Identifier: MIT */
#include "guest/vkvmpv.h"

#include "kernel/hw/msr_regs.h"

#define ENABLE BIT(0)
#define STEAL_RESERVED 0x3eull /* the structure is 64-octet aligned; bits 5:1 must be 0 */
#define EOI_RESERVED 0x2ull
#define EOI_BIT 1u

struct steal_time {
    uint64_t steal;     /* 0 */
    uint32_t version;   /* 8 */
    uint32_t flags;     /* 12 */
    uint8_t preempted;  /* 16 */
    uint8_t rsvd0[47];
};
_Static_assert(sizeof(struct steal_time) == 64, "kvm_steal_time");

void vkvmpv_init(struct vkvmpv *p, struct gmem *mem) {
    *p = (struct vkvmpv){.mem = mem};
}

result_t vkvmpv_read_msr(const struct vkvmpv *p, uint32_t msr, uint64_t *value) {
    if (msr != MSR_KVM_STEAL_TIME && msr != MSR_KVM_PV_EOI_EN)
        return fail(ERR_NOENT);
    *value = msr == MSR_KVM_STEAL_TIME ? p->steal_msr : p->eoi_msr;
    return OK;
}

static void write_steal(struct vkvmpv *p) {
    gpa_t at = p->steal_msr & ~(ENABLE | STEAL_RESERVED);
    uint32_t odd = p->version + 1, even = p->version + 2;
    if ((p->steal_msr & ENABLE) == 0)
        return;
    result_t r = gmem_write(p->mem, at + offsetof(struct steal_time, version), &odd, sizeof odd);
    __asm__ volatile("" ::: "memory"); /* x86 keeps the order of stores; the guest reads version, value, version */
    if (r == OK)
        r = gmem_write(p->mem, at, &p->steal_ns, sizeof p->steal_ns);
    __asm__ volatile("" ::: "memory");
    if (r == OK)
        r = gmem_write(p->mem, at + offsetof(struct steal_time, version), &even, sizeof even);
    if (r != OK)
        return; /* cannot be: it was RAM when the guest named it */
    p->version = even;
    p->told_ns = p->steal_ns;
}

static result_t check(const struct vkvmpv *p, uint64_t value, uint64_t reserved, size_t len) {
    uint8_t scratch[sizeof(struct steal_time)];
    if ((value & reserved) != 0)
        return fail(ERR_RANGE);
    return (value & ENABLE) == 0 ? OK : gmem_read(p->mem, value & ~(ENABLE | reserved), scratch, len);
}

result_t vkvmpv_write_msr(struct vkvmpv *p, uint32_t msr, uint64_t value) {
    if (msr != MSR_KVM_STEAL_TIME && msr != MSR_KVM_PV_EOI_EN)
        return fail(ERR_NOENT);
    bool steal = msr == MSR_KVM_STEAL_TIME;
    result_t r = check(p, value, steal ? STEAL_RESERVED : EOI_RESERVED, steal ? sizeof(struct steal_time) : sizeof(uint32_t));
    if (r != OK)
        return r;
    if (!steal) {
        p->eoi_msr = value;
        return OK;
    }
    p->steal_msr = value;
    write_steal(p);
    return OK;
}

void vkvmpv_add_steal(struct vkvmpv *p, uint64_t ns) {
    p->steal_ns += ns;
    if (p->steal_ns - p->told_ns >= VKVMPV_STEAL_STEP_NS)
        write_steal(p);
}

/* The guest's word, of which only bit 0 is ours. Only this vCPU touches it, and it does not run now. */
static bool exchange_bit(struct vkvmpv *p, bool set) {
    gpa_t at = p->eoi_msr & ~(ENABLE | EOI_RESERVED);
    uint32_t word;
    if (gmem_read(p->mem, at, &word, sizeof word) != OK)
        return false;
    bool was = (word & EOI_BIT) != 0;
    uint32_t changed = set ? word | EOI_BIT : word & ~EOI_BIT;
    if (was == set)
        return was;
    result_t r = gmem_write(p->mem, at, &changed, sizeof changed);
    return r == OK && was;
}

void vkvmpv_offer_eoi(struct vkvmpv *p) {
    if ((p->eoi_msr & ENABLE) == 0)
        return;
    (void)exchange_bit(p, true);
    p->eoi_offered = true;
}

bool vkvmpv_take_eoi(struct vkvmpv *p) {
    if (!p->eoi_offered)
        return false;
    p->eoi_offered = false;
    return !exchange_bit(p, false);
}

void vkvmpv_snapshot(struct vkvmpv *p, struct snap *s) {
    snap_u64(s, &p->steal_msr);
    snap_require(s, (p->steal_msr & STEAL_RESERVED) == 0);
    snap_u64(s, &p->steal_ns);
    snap_u32(s, &p->version);
    snap_require(s, p->version % 2 == 0);
    snap_u64(s, &p->eoi_msr);
    snap_require(s, (p->eoi_msr & EOI_RESERVED) == 0);
    snap_bool(s, &p->kicked);
    if (s->loading)
        p->told_ns = p->steal_ns;
}
