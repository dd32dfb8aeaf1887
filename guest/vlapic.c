/* SPDX-License-Identifier: MIT */
#include "guest/vlapic.h"

#include <string.h>

#include "guest/vlapic_priv.h"

#define VERSION \
    (0x14u | (VLAPIC_NR_LVTS - 1) << LAPIC_VERSION_MAX_LVT_SHIFT | (uint32_t)LAPIC_VERSION_EOI_SUPPRESS)
#define SVR_RESET 0xffu
#define MAX_EXPIRY_NS BIT(58) /* nine years: far enough, and safe to convert at any TSC frequency */
#define REGS_END 0x400u

_Static_assert(sizeof(struct vlapic) == 2 * PAGE_SIZE, "the register page, and the rest in another");

static void set_base(struct vlapic *l, uint64_t base) {
    __atomic_store_n(&l->base, base, __ATOMIC_SEQ_CST); /* partner: heeds_lint in vlapic_take.c */
}

void vlapic_init(struct vlapic *l, uint32_t id, const struct vclock *clock, const struct vlapic_env *env) {
    memset(l, 0, sizeof *l);
    l->id = id;
    l->clock = clock;
    l->env = env;
    l->boot_cpu = id == 0;
    set_base(l, LAPIC_DEFAULT_BASE | APIC_BASE_EN | (l->boot_cpu ? APIC_BASE_BSP : 0));
    vlapic_reset(l);
}

void vlapic_reset(struct vlapic *l) {
    for (unsigned offset = 0; offset < REGS_END; offset += 4)
        vlapic_set_reg(l, offset, 0);
    vlapic_set_reg(l, LAPIC_VERSION, VERSION);
    vlapic_set_reg(l, LAPIC_SVR, SVR_RESET);
    for (unsigned i = 0; i < VLAPIC_NR_LVTS; i++)
        vlapic_set_reg(l, VLAPIC_LVT(i), (uint32_t)LAPIC_LVT_MASKED);
    vlapic_set_reg(l, LAPIC_DFR, LAPIC_DFR_FLAT);
    l->pending = 0;
    l->esr_pending = 0;
    l->extint_latched = false;
    l->timer_expiry_ns = 0;
    l->tsc_deadline = 0;
    vlapic_derive(l);
}

void vlapic_set_virtual_wire(struct vlapic *l) {
    vlapic_set_reg(l, LAPIC_SVR, vlapic_reg(l, LAPIC_SVR) | (uint32_t)LAPIC_SVR_ENABLE);
    vlapic_set_reg(l, LAPIC_LVT_LINT0, LAPIC_MODE_EXTINT << LAPIC_LVT_MODE_SHIFT);
    vlapic_set_reg(l, LAPIC_LVT_LINT1, LAPIC_MODE_NMI << LAPIC_LVT_MODE_SHIFT);
    vlapic_update_extint(l);
}

static uint8_t summarise(const struct vlapic *l, unsigned reg) {
    uint8_t summary = 0;
    for (unsigned w = 0; w < VLAPIC_WORDS; w++)
        if (vlapic_reg(l, reg + 16 * w) != 0)
            summary |= (uint8_t)(1u << w);
    return summary;
}

void vlapic_resync(struct vlapic *l) {
    l->irr_words = summarise(l, LAPIC_IRR);
    l->isr_words = summarise(l, LAPIC_ISR);
    vlapic_update_priority(l);
}

void vlapic_derive(struct vlapic *l) {
    l->x2apic = (l->base & APIC_BASE_EXTD) != 0;
    l->mmio_base = vlapic_is_hw_enabled(l) && !l->x2apic ? l->base & APIC_BASE_ADDR_MASK : VLAPIC_NO_MMIO;
    vlapic_set_reg(l, LAPIC_ID, l->x2apic ? l->id : l->id << LAPIC_ID_SHIFT);
    vlapic_set_reg(l, l->x2apic ? LAPIC_ICR_HIGH : LAPIC_ICR_LOW + 4, 0); /* the other mode's half */
    if (l->x2apic)
        vlapic_set_reg(l, LAPIC_LDR, (l->id >> 4) << 16 | 1u << (l->id & 15));
    vlapic_timer_derive(l);
    vlapic_resync(l);
    vlapic_update_extint(l);
}

/* Is the PIC's wire at LINT0 connected through? A disabled APIC makes the pin a plain INTR. */
static bool lint0_is_extint(const struct vlapic *l) {
    if (!vlapic_is_hw_enabled(l))
        return true;
    uint32_t lvt = vlapic_reg(l, LAPIC_LVT_LINT0);
    return (lvt & (LAPIC_LVT_MASKED | LAPIC_LVT_MODE_MASK)) == LAPIC_MODE_EXTINT << LAPIC_LVT_MODE_SHIFT;
}

void vlapic_update_extint(struct vlapic *l) {
    bool level = l->extint_latched || (lint0_is_extint(l) && vlapic_inbox_lint(&l->inbox, 0));
    l->pending = (uint8_t)((l->pending & ~VLAPIC_PENDING_EXTINT) | (level ? VLAPIC_PENDING_EXTINT : 0));
}

int vlapic_accept(struct vlapic *l) {
    if ((l->pending & VLAPIC_PENDING_EXTINT) != 0) {
        l->extint_latched = false;
        int vector = l->env->extint_ack(l->env->ctx);
        vlapic_update_extint(l); /* LINT0 may have fallen and risen */
        vlapic_fold(l);          /* the IOAPIC may have sent another one */
        if (vector >= 0)
            return vector;
    }
    if ((l->pending & VLAPIC_PENDING_VECTOR) == 0)
        return -1;
    unsigned vector = vlapic_highest(l, LAPIC_IRR, l->irr_words);
    vlapic_bit_clear(l, LAPIC_IRR, &l->irr_words, vector);
    vlapic_bit_set(l, LAPIC_ISR, &l->isr_words, vector);
    vlapic_set_reg(l, LAPIC_PPR, vector & 0xf0u); /* above TPR, as it was above PPR; nothing in IRR is higher */
    l->pending &= (uint8_t)~VLAPIC_PENDING_VECTOR;
    return (int)vector;
}

void vlapic_error(struct vlapic *l, uint32_t bits) {
    l->esr_pending |= bits;
    uint32_t lvt = vlapic_reg(l, LAPIC_LVT_ERROR);
    if ((lvt & LAPIC_LVT_MASKED) == 0 && (lvt & LAPIC_LVT_VECTOR_MASK) >= 16)
        vlapic_raise(l, (uint8_t)lvt, false);
}

void vlapic_raise(struct vlapic *l, uint8_t vector, bool level) {
    if (!vlapic_is_hw_enabled(l) || !vlapic_is_sw_enabled(l))
        return;
    if (vector < 16) {
        vlapic_error(l, (uint32_t)LAPIC_ESR_RECV_ILLEGAL);
        return;
    }
    vlapic_bit_set(l, LAPIC_IRR, &l->irr_words, vector);
    unsigned tmr = vlapic_word_of(LAPIC_TMR, vector);
    uint32_t bit = 1u << (vector & 31);
    vlapic_set_reg(l, tmr, level ? vlapic_reg(l, tmr) | bit : vlapic_reg(l, tmr) & ~bit);
    if (vector >> 4 > vlapic_reg(l, LAPIC_PPR) >> 4)
        l->pending |= VLAPIC_PENDING_VECTOR;
}

void vlapic_eoi_broadcast(struct vlapic *l, uint8_t vector) {
    if ((vlapic_reg(l, LAPIC_SVR) & LAPIC_SVR_EOI_SUPPRESS) == 0)
        l->env->eoi(l->env->ctx, vector);
}

void vlapic_eoi(struct vlapic *l) {
    unsigned vector = vlapic_highest(l, LAPIC_ISR, l->isr_words);
    if (vector == 0)
        return;
    vlapic_bit_clear(l, LAPIC_ISR, &l->isr_words, vector);
    vlapic_update_priority(l);
    if ((vlapic_reg(l, vlapic_word_of(LAPIC_TMR, vector)) >> (vector & 31) & 1) != 0)
        vlapic_eoi_broadcast(l, (uint8_t)vector);
}

void vlapic_set_tpr(struct vlapic *l, uint8_t tpr) {
    vlapic_set_reg(l, LAPIC_TPR, tpr);
    vlapic_update_priority(l);
}

uint16_t vlapic_interrupt_status(const struct vlapic *l) {
    unsigned requested = vlapic_highest(l, LAPIC_IRR, l->irr_words);
    return (uint16_t)(requested | vlapic_highest(l, LAPIC_ISR, l->isr_words) << 8);
}

static uint64_t vectors_of(const struct vlapic *l, unsigned reg, unsigned word) {
    return vlapic_reg(l, reg + 32 * word) | (uint64_t)vlapic_reg(l, reg + 32 * word + 16) << 32;
}

void vlapic_eoi_exits(const struct vlapic *l, uint64_t bitmap[4]) {
    for (unsigned w = 0; w < 4; w++)
        bitmap[w] = vectors_of(l, LAPIC_TMR, w);
}

bool vlapic_write_base(struct vlapic *l, uint64_t value, unsigned phys_bits) {
    uint64_t reserved = ~(BIT(phys_bits) - 1) | 0x2ffu;
    if ((value & reserved) != 0)
        return false;
    bool old_en = vlapic_is_hw_enabled(l), en = (value & APIC_BASE_EN) != 0;
    bool old_x2 = l->x2apic, x2 = (value & APIC_BASE_EXTD) != 0;
    if (x2 && !en)
        return false; /* the invalid state */
    if (x2 && !old_en)
        return false; /* disabled -> x2APIC */
    if (en && old_x2 && !x2)
        return false; /* x2APIC -> xAPIC */
    vlapic_fold(l); /* what came before belongs to the old state */
    set_base(l, value);
    if (old_en && !en) {
        uint8_t nmi = l->pending & VLAPIC_PENDING_NMI;
        vlapic_reset(l);
        l->pending |= nmi;
    }
    vlapic_derive(l);
    return true;
}

static void snap_reg(struct vlapic *l, struct snap *s, unsigned offset) {
    uint32_t value = vlapic_reg(l, offset);
    snap_u32(s, &value);
    vlapic_set_reg(l, offset, value);
}

static void snap_vectors(struct vlapic *l, struct snap *s, unsigned reg, unsigned word) {
    uint64_t value = vectors_of(l, reg, word);
    snap_u64(s, &value);
    if (reg != LAPIC_TMR && word == 0)
        snap_require(s, (value & 0xffff) == 0); /* vectors 0 to 15 cannot be accepted */
    vlapic_set_reg(l, reg + 32 * word, (uint32_t)value);
    vlapic_set_reg(l, reg + 32 * word + 16, (uint32_t)(value >> 32));
}

static void snap_registers(struct vlapic *l, struct snap *s) {
    for (unsigned w = 0; w < VLAPIC_WORDS / 2; w++) {
        snap_vectors(l, s, LAPIC_IRR, w);
        snap_vectors(l, s, LAPIC_ISR, w);
        snap_vectors(l, s, LAPIC_TMR, w);
    }
    snap_reg(l, s, LAPIC_SVR);
    for (unsigned i = 0; i < VLAPIC_NR_LVTS; i++)
        snap_reg(l, s, VLAPIC_LVT(i));
    snap_u64(s, &l->base);
    snap_require(s, (l->base & (APIC_BASE_EN | APIC_BASE_EXTD)) != APIC_BASE_EXTD);
    l->x2apic = (l->base & APIC_BASE_EXTD) != 0;
    snap_u64(s, &l->timer_expiry_ns);
    snap_require(s, l->timer_expiry_ns < MAX_EXPIRY_NS);
    snap_reg(l, s, LAPIC_TIMER_INIT);
    snap_reg(l, s, LAPIC_TIMER_DIVIDE);
    uint32_t id = l->id;
    snap_u32(s, &id);
    snap_require(s, id == l->id);
    snap_reg(l, s, LAPIC_LDR);
    snap_reg(l, s, LAPIC_DFR);
    snap_reg(l, s, LAPIC_ICR_LOW);
    snap_reg(l, s, vlapic_icr_high(l));
    snap_reg(l, s, LAPIC_ESR);
    snap_u32(s, &l->esr_pending);
}

void vlapic_snapshot(struct vlapic *l, struct snap *s) {
    if (s->loading)
        vlapic_inbox_init(&l->inbox);
    else
        vlapic_fold(l);
    bool lint0 = vlapic_inbox_lint(&l->inbox, 0), lint1 = vlapic_inbox_lint(&l->inbox, 1);
    uint8_t nmi = vlapic_nmi_pending(l), tpr = vlapic_tpr(l);
    snap_u8(s, &nmi);
    snap_require(s, nmi <= 1);
    snap_u8(s, &tpr);
    snap_u64(s, &l->tsc_deadline);
    snap_u64(s, &l->tsc_adjust);
    snap_registers(l, s);
    snap_bool(s, &lint0);
    snap_bool(s, &lint1);
    snap_bool(s, &l->extint_latched);
    if (s->loading && s->status == OK) {
        vlapic_set_reg(l, LAPIC_TPR, tpr);
        vlapic_inbox_load_lint(&l->inbox, lint0, lint1);
        l->pending = nmi ? VLAPIC_PENDING_NMI : 0;
        vlapic_derive(l);
    }
}
