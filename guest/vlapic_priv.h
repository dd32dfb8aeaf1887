/* SPDX-License-Identifier: MIT */
/* vlapic_priv.h - what the parts of the local APIC model share: vector bitmaps, priorities, the timer. */
#ifndef GUEST_VLAPIC_PRIV_H
#define GUEST_VLAPIC_PRIV_H

#include "guest/vlapic.h"

/* Highest vector of a bitmap, 0 = none (vectors below 16 never get in). */
static inline unsigned vlapic_highest(const uint64_t *words, unsigned summary) {
    if (summary == 0)
        return 0;
    unsigned w = 31u - (unsigned)__builtin_clz(summary);
    return w * 64u + 63u - (unsigned)__builtin_clzll(words[w]);
}

static inline void vlapic_bit_set(uint64_t *words, uint8_t *summary, unsigned vector) {
    words[vector >> 6] |= BIT(vector & 63);
    *summary |= (uint8_t)(1u << (vector >> 6));
}

static inline void vlapic_bit_clear(uint64_t *words, uint8_t *summary, unsigned vector) {
    unsigned w = vector >> 6;
    words[w] &= ~BIT(vector & 63);
    if (words[w] == 0)
        *summary &= (uint8_t)~(1u << w);
}

/* Recompute PPR and whether a vector is above it. Source: SDM Vol. 3 "Task and Processor Priorities". */
static inline void vlapic_update_priority(struct vlapic *l) {
    unsigned isrv = vlapic_highest(l->isr, l->isr_words);
    unsigned ppr = l->tpr;
    if ((isrv >> 4) > (ppr >> 4))
        ppr = isrv & 0xf0u;
    l->ppr = (uint8_t)ppr;
    unsigned irrv = vlapic_highest(l->irr, l->irr_words);
    uint8_t others = l->pending & (uint8_t)~VLAPIC_PENDING_VECTOR;
    l->pending = others | ((irrv >> 4) > (ppr >> 4) ? VLAPIC_PENDING_VECTOR : 0);
}

/* Does the PIC's INTR reach this CPU? Recomputed when a pin, LINT0's entry or the enable bit changes. */
void vlapic_update_extint(struct vlapic *l);
/* An error for ESR; raises the error interrupt. */
void vlapic_error(struct vlapic *l, uint32_t bits);
/* Fields marked [d] from the others: mode, timer, priorities. */
void vlapic_derive(struct vlapic *l);

/* vlapic_timer.c */
void vlapic_timer_reset(struct vlapic *l);
void vlapic_timer_derive(struct vlapic *l);
void vlapic_timer_write_lvt(struct vlapic *l, uint32_t value);
void vlapic_timer_write_init(struct vlapic *l, uint32_t value);
void vlapic_timer_write_divide(struct vlapic *l, uint32_t value);
uint32_t vlapic_timer_current(const struct vlapic *l);

#endif
