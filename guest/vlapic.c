/* SPDX-License-Identifier: MIT */
#include "guest/vlapic.h"

#include <string.h>

#include "guest/vlapic_priv.h"

#define SVR_RESET 0xffu
#define MAX_EXPIRY_NS BIT(58) /* nine years: far enough, and safe to convert at any TSC frequency */

void vlapic_init(struct vlapic *l, uint32_t id, struct vlapic_inbox *inbox, const struct vclock *clock,
                 const struct vlapic_env *env) {
    memset(l, 0, sizeof *l);
    vlapic_inbox_init(inbox);
    l->id = id;
    l->inbox = inbox;
    l->clock = clock;
    l->env = env;
    l->boot_cpu = id == 0;
    l->base = LAPIC_DEFAULT_BASE | APIC_BASE_EN | (l->boot_cpu ? APIC_BASE_BSP : 0);
    vlapic_reset(l);
}

void vlapic_reset(struct vlapic *l) {
    memset(l->irr, 0, sizeof l->irr);
    memset(l->isr, 0, sizeof l->isr);
    memset(l->tmr, 0, sizeof l->tmr);
    l->pending = 0;
    l->tpr = 0;
    l->svr = SVR_RESET;
    for (unsigned i = 0; i < VLAPIC_NR_LVTS; i++)
        l->lvt[i] = (uint32_t)LAPIC_LVT_MASKED;
    l->ldr = 0;
    l->dfr = LAPIC_DFR_FLAT;
    l->icr = 0;
    l->esr = 0;
    l->esr_pending = 0;
    l->extint_latched = false;
    vlapic_timer_reset(l);
    vlapic_derive(l);
}

void vlapic_set_virtual_wire(struct vlapic *l) {
    l->svr |= (uint32_t)LAPIC_SVR_ENABLE;
    l->lvt[VLAPIC_LVT_LINT0] = LAPIC_MODE_EXTINT << LAPIC_LVT_MODE_SHIFT;
    l->lvt[VLAPIC_LVT_LINT1] = LAPIC_MODE_NMI << LAPIC_LVT_MODE_SHIFT;
    vlapic_update_extint(l);
}

static uint8_t summarise(const uint64_t *words) {
    uint8_t summary = 0;
    for (unsigned w = 0; w < VLAPIC_WORDS; w++)
        if (words[w] != 0)
            summary |= (uint8_t)(1u << w);
    return summary;
}

void vlapic_derive(struct vlapic *l) {
    l->x2apic = (l->base & APIC_BASE_EXTD) != 0;
    l->mmio_base = vlapic_is_hw_enabled(l) && !l->x2apic ? l->base & APIC_BASE_ADDR_MASK : VLAPIC_NO_MMIO;
    l->irr_words = summarise(l->irr);
    l->isr_words = summarise(l->isr);
    vlapic_timer_derive(l);
    vlapic_update_priority(l);
    vlapic_update_extint(l);
}

/* Is the PIC's wire at LINT0 connected through? A disabled APIC makes the pin a plain INTR. */
static bool lint0_is_extint(const struct vlapic *l) {
    if (!vlapic_is_hw_enabled(l))
        return true;
    uint32_t lvt = l->lvt[VLAPIC_LVT_LINT0];
    return (lvt & (LAPIC_LVT_MASKED | LAPIC_LVT_MODE_MASK)) == LAPIC_MODE_EXTINT << LAPIC_LVT_MODE_SHIFT;
}

void vlapic_update_extint(struct vlapic *l) {
    bool level = l->extint_latched || (lint0_is_extint(l) && vlapic_inbox_lint(l->inbox, 0));
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
    unsigned vector = vlapic_highest(l->irr, l->irr_words);
    vlapic_bit_clear(l->irr, &l->irr_words, vector);
    vlapic_bit_set(l->isr, &l->isr_words, vector);
    l->ppr = (uint8_t)(vector & 0xf0u); /* above TPR, as it was above PPR; nothing in IRR is higher */
    l->pending &= (uint8_t)~VLAPIC_PENDING_VECTOR;
    return (int)vector;
}

void vlapic_error(struct vlapic *l, uint32_t bits) {
    l->esr_pending |= bits;
    uint32_t lvt = l->lvt[VLAPIC_LVT_ERROR];
    if ((lvt & LAPIC_LVT_MASKED) == 0 && (lvt & LAPIC_LVT_VECTOR_MASK) >= 16)
        vlapic_raise(l, (uint8_t)lvt, false);
}

void vlapic_raise(struct vlapic *l, uint8_t vector, bool level) {
    if (!vlapic_is_hw_enabled(l) || (l->svr & LAPIC_SVR_ENABLE) == 0)
        return;
    if (vector < 16) {
        vlapic_error(l, (uint32_t)LAPIC_ESR_RECV_ILLEGAL);
        return;
    }
    vlapic_bit_set(l->irr, &l->irr_words, vector);
    uint64_t bit = BIT(vector & 63);
    if (level)
        l->tmr[vector >> 6] |= bit;
    else
        l->tmr[vector >> 6] &= ~bit;
    if ((vector >> 4) > (l->ppr >> 4))
        l->pending |= VLAPIC_PENDING_VECTOR;
}

void vlapic_eoi(struct vlapic *l) {
    unsigned vector = vlapic_highest(l->isr, l->isr_words);
    if (vector == 0)
        return;
    vlapic_bit_clear(l->isr, &l->isr_words, vector);
    vlapic_update_priority(l);
    if ((l->tmr[vector >> 6] & BIT(vector & 63)) != 0 && (l->svr & LAPIC_SVR_EOI_SUPPRESS) == 0)
        l->env->eoi(l->env->ctx, (uint8_t)vector);
}

void vlapic_set_tpr(struct vlapic *l, uint8_t tpr) {
    l->tpr = tpr;
    vlapic_update_priority(l);
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
    l->base = value;
    if (old_en && !en) {
        uint8_t nmi = l->pending & VLAPIC_PENDING_NMI;
        vlapic_reset(l);
        l->pending |= nmi;
    }
    if (x2 && !old_x2)
        l->icr &= 0xffffffffu;
    vlapic_derive(l);
    return true;
}

void vlapic_snapshot(struct vlapic *l, struct snap *s) {
    if (s->loading)
        vlapic_inbox_init(l->inbox);
    else
        vlapic_fold(l);
    bool lint0 = vlapic_inbox_lint(l->inbox, 0), lint1 = vlapic_inbox_lint(l->inbox, 1);
    uint8_t nmi = vlapic_nmi_pending(l);
    snap_u8(s, &nmi);
    snap_require(s, nmi <= 1);
    snap_u8(s, &l->tpr);
    snap_u64(s, &l->tsc_deadline);
    snap_u64(s, &l->tsc_adjust);
    for (unsigned w = 0; w < VLAPIC_WORDS; w++) {
        snap_u64(s, &l->irr[w]);
        snap_u64(s, &l->isr[w]);
        snap_u64(s, &l->tmr[w]);
    }
    snap_require(s, ((l->irr[0] | l->isr[0]) & 0xffff) == 0); /* vectors 0 to 15 cannot be accepted */
    snap_u32(s, &l->svr);
    for (unsigned i = 0; i < VLAPIC_NR_LVTS; i++)
        snap_u32(s, &l->lvt[i]);
    snap_u64(s, &l->base);
    snap_require(s, (l->base & (APIC_BASE_EN | APIC_BASE_EXTD)) != APIC_BASE_EXTD);
    snap_u64(s, &l->timer_expiry_ns);
    snap_require(s, l->timer_expiry_ns < MAX_EXPIRY_NS);
    snap_u32(s, &l->timer_init);
    snap_u32(s, &l->timer_divide);
    uint32_t id = l->id;
    snap_u32(s, &id);
    snap_require(s, id == l->id);
    snap_u32(s, &l->ldr);
    snap_u32(s, &l->dfr);
    snap_u64(s, &l->icr);
    snap_u32(s, &l->esr);
    snap_u32(s, &l->esr_pending);
    snap_bool(s, &lint0);
    snap_bool(s, &lint1);
    snap_bool(s, &l->extint_latched);
    if (s->loading && s->status == OK) {
        vlapic_inbox_load_lint(l->inbox, lint0, lint1);
        l->pending = nmi ? VLAPIC_PENDING_NMI : 0;
        vlapic_derive(l);
    }
}
