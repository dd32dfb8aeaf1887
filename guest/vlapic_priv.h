/* SPDX-License-Identifier: MIT */
/* vlapic_priv.h - what the parts of the local APIC model share: vector bits, priorities, the timer. */
#ifndef GUEST_VLAPIC_PRIV_H
#define GUEST_VLAPIC_PRIV_H

#include "guest/vlapic.h"

#define VLAPIC_WORDS 8u /* 256 vectors in words of 32, 16 octets apart */
#define VLAPIC_LVT(n) (LAPIC_LVT_TIMER + 16 * (n))

/* Highest vector of IRR, ISR or TMR (its first offset), 0 = none (vectors below 16 never get in). */
static inline unsigned vlapic_highest(const struct vlapic *l, unsigned reg, unsigned summary) {
    if (summary == 0)
        return 0;
    unsigned w = 31u - (unsigned)__builtin_clz(summary);
    return w * 32u + 31u - (unsigned)__builtin_clz(vlapic_reg(l, reg + 16 * w));
}

static inline unsigned vlapic_word_of(unsigned reg, unsigned vector) {
    return reg + (vector >> 5 << 4);
}

static inline void vlapic_bit_set(struct vlapic *l, unsigned reg, uint8_t *summary, unsigned vector) {
    unsigned at = vlapic_word_of(reg, vector);
    vlapic_set_reg(l, at, vlapic_reg(l, at) | 1u << (vector & 31));
    *summary |= (uint8_t)(1u << (vector >> 5));
}

static inline void vlapic_bit_clear(struct vlapic *l, unsigned reg, uint8_t *summary, unsigned vector) {
    unsigned at = vlapic_word_of(reg, vector);
    uint32_t left = vlapic_reg(l, at) & ~(1u << (vector & 31));
    vlapic_set_reg(l, at, left);
    if (left == 0)
        *summary &= (uint8_t)~(1u << (vector >> 5));
}

/* Recompute PPR and whether a vector is above it. Source: SDM Vol. 3 "Task and Processor Priorities". */
static inline void vlapic_update_priority(struct vlapic *l) {
    unsigned isrv = vlapic_highest(l, LAPIC_ISR, l->isr_words);
    unsigned ppr = vlapic_reg(l, LAPIC_TPR);
    if ((isrv >> 4) > (ppr >> 4))
        ppr = isrv & 0xf0u;
    vlapic_set_reg(l, LAPIC_PPR, ppr);
    unsigned irrv = vlapic_highest(l, LAPIC_IRR, l->irr_words);
    uint8_t others = l->pending & (uint8_t)~VLAPIC_PENDING_VECTOR;
    l->pending = others | ((irrv >> 4) > (ppr >> 4) ? VLAPIC_PENDING_VECTOR : 0);
}

static inline bool vlapic_is_sw_enabled(const struct vlapic *l) {
    return (vlapic_reg(l, LAPIC_SVR) & LAPIC_SVR_ENABLE) != 0;
}

/* Where the ICR's upper half is in the current mode. */
static inline unsigned vlapic_icr_high(const struct vlapic *l) {
    return l->x2apic ? LAPIC_ICR_LOW + 4 : LAPIC_ICR_HIGH;
}

/* Does the PIC's INTR reach this CPU? Recomputed when a pin, LINT0's entry or the enable bit changes. */
void vlapic_update_extint(struct vlapic *l);
/* An error for ESR; raises the error interrupt. */
void vlapic_error(struct vlapic *l, uint32_t bits);
/* Fields marked [d] from the others: mode, timer, priorities. */
void vlapic_derive(struct vlapic *l);

/* vlapic_timer.c */
void vlapic_timer_derive(struct vlapic *l);
void vlapic_timer_write_lvt(struct vlapic *l, uint32_t value);
void vlapic_timer_write_init(struct vlapic *l, uint32_t value);
void vlapic_timer_write_divide(struct vlapic *l, uint32_t value);
uint32_t vlapic_timer_current(const struct vlapic *l);

#endif
