/* SPDX-License-Identifier: MIT */
/* vlapic_take.c - messages: who is meant, what any CPU posts, what the owner makes of it. */
#include "guest/vlapic_priv.h"

/* ---- any CPU: fields tagged [r] only ---- */

static uint64_t read_base(const struct vlapic *l) {
    return __atomic_load_n(&l->base, __ATOMIC_RELAXED);
}

/* Source: SDM Vol. 3 "Logical Destination Mode" and "Logical Destination Mode in x2APIC Mode". */
static bool matches_logical(const struct vlapic *l, uint32_t dest, bool x2apic) {
    if (x2apic)
        return dest >> 16 == l->id >> 4 && (dest >> (l->id & 15) & 1) != 0;
    uint32_t ldr = vlapic_reg(l, LAPIC_LDR) >> LAPIC_ID_SHIFT;
    if (vlapic_reg(l, LAPIC_DFR) >> LAPIC_DFR_MODEL_SHIFT == LAPIC_DFR_MODEL_CLUSTER)
        return (dest >> 4 & 0xf) == ldr >> 4 && (dest & ldr & 0xfu) != 0;
    return (dest & ldr) != 0;
}

bool vlapic_matches(const struct vlapic *l, const struct irq_msg *msg) {
    if (msg->dest == (msg->wide ? LAPIC_BROADCAST_X2APIC : LAPIC_BROADCAST_XAPIC))
        return true;
    bool x2apic = (read_base(l) & APIC_BASE_EXTD) != 0;
    if (msg->logical)
        return matches_logical(l, msg->dest, x2apic);
    return msg->dest == (x2apic ? l->id : l->id & 0xffu);
}

bool vlapic_arbitrates(const struct vlapic *l, unsigned *ppr) {
    *ppr = vlapic_reg(l, LAPIC_PPR);
    return (read_base(l) & APIC_BASE_EN) != 0 && vlapic_is_sw_enabled(l);
}

bool vlapic_post(struct vlapic *l, const struct irq_msg *msg) {
    switch (msg->mode) {
    case LAPIC_MODE_FIXED:
    case LAPIC_MODE_LOWEST:
        return vlapic_inbox_post_vector(&l->inbox, msg->vector, msg->level);
    case LAPIC_MODE_NMI:
        return vlapic_inbox_post(&l->inbox, INBOX_NMI);
    case LAPIC_MODE_INIT:
        return vlapic_inbox_post_init(&l->inbox);
    case LAPIC_MODE_SIPI:
        return vlapic_inbox_post_sipi(&l->inbox, msg->vector);
    case LAPIC_MODE_EXTINT:
        return vlapic_inbox_post(&l->inbox, INBOX_EXTINT);
    default: /* SMI: this machine has no system-management mode; 3: reserved */
        return false;
    }
}

/* Would the owner do anything about a rising edge? A PIC's wire goes to all CPUs, and most have it masked.
 *
 *     poster (post_lint)                  owner (write_lvt, write_svr, write_base; then update_extint)
 *     control |= level                    LVT = unmasked
 *     reads LVT, base                     reads the level
 *
 * All four are sequentially consistent, so one of the two sees the other: either the poster kicks or the owner has seen it. */
static bool heeds_lint(const struct vlapic *l, unsigned pin) {
    if ((__atomic_load_n(&l->base, __ATOMIC_SEQ_CST) & APIC_BASE_EN) == 0)
        return true;
    const uint32_t *entry = &l->page.word[(pin == 0 ? LAPIC_LVT_LINT0 : LAPIC_LVT_LINT1) / 4];
    uint32_t lvt = __atomic_load_n(entry, __ATOMIC_SEQ_CST);
    return (lvt & LAPIC_LVT_MASKED) == 0;
}

bool vlapic_post_lint(struct vlapic *l, unsigned pin, bool level) {
    vlapic_inbox_post_lint(&l->inbox, pin, level);
    return level && heeds_lint(l, pin) && vlapic_inbox_post(&l->inbox, INBOX_LOOK);
}

/* ---- the owner ---- */

static void lint_edge(struct vlapic *l, unsigned pin) {
    uint32_t lvt = vlapic_reg(l, pin == 0 ? LAPIC_LVT_LINT0 : LAPIC_LVT_LINT1);
    if (!vlapic_is_hw_enabled(l)) {
        if (pin == 1)
            vlapic_raise_nmi(l); /* a disabled APIC makes LINT1 a plain NMI pin */
        return;
    }
    if ((lvt & LAPIC_LVT_MASKED) != 0)
        return;
    switch ((lvt & LAPIC_LVT_MODE_MASK) >> LAPIC_LVT_MODE_SHIFT) {
    case LAPIC_MODE_FIXED:
        vlapic_raise(l, (uint8_t)lvt, false);
        return;
    case LAPIC_MODE_NMI:
        vlapic_raise_nmi(l);
        return;
    default: /* ExtINT is a level, see vlapic_update_extint; SMI and INIT by a pin are not wired on a PC */
        return;
    }
}

static void fold_word(struct vlapic *l, unsigned w, uint32_t vectors, uint32_t level) {
    if (vectors == 0)
        return;
    unsigned irr = LAPIC_IRR + 16 * w, tmr = LAPIC_TMR + 16 * w;
    vlapic_set_reg(l, irr, vlapic_reg(l, irr) | vectors);
    vlapic_set_reg(l, tmr, (vlapic_reg(l, tmr) & ~vectors) | level);
    l->irr_words |= (uint8_t)(1u << w);
}

static void fold_vectors(struct vlapic *l) {
    bool enabled = vlapic_is_hw_enabled(l) && vlapic_is_sw_enabled(l);
    for (unsigned w = 0; w < INBOX_WORDS; w++) {
        uint64_t level, vectors = vlapic_inbox_take_vectors(&l->inbox, w, &level);
        if (vectors == 0 || !enabled)
            continue;
        fold_word(l, 2 * w, (uint32_t)vectors, (uint32_t)level);
        fold_word(l, 2 * w + 1, (uint32_t)(vectors >> 32), (uint32_t)(level >> 32));
    }
    vlapic_update_priority(l);
}

/* A message reaches an APIC that is enabled by IA32_APIC_BASE; fixed interrupts need the bit in SVR, too.
 * Source: SDM Vol. 3 "Local APIC State After It Has Been Software Disabled". */
static void fold(struct vlapic *l, uint64_t news) {
    bool listens = vlapic_is_hw_enabled(l);
    if ((news & PID_ON) != 0)
        fold_vectors(l);
    if ((news & INBOX_BAD_VECTOR) != 0 && listens && vlapic_is_sw_enabled(l))
        vlapic_error(l, (uint32_t)LAPIC_ESR_RECV_ILLEGAL);
    if ((news & INBOX_NMI) != 0 && listens)
        vlapic_raise_nmi(l);
    if ((news & INBOX_EXTINT) != 0 && listens)
        l->extint_latched = true;
    if ((news & INBOX_LINT0_ROSE) != 0)
        lint_edge(l, 0);
    if ((news & INBOX_LINT1_ROSE) != 0)
        lint_edge(l, 1);
    vlapic_update_extint(l);
}

void vlapic_fold(struct vlapic *l) {
    const uint64_t mask = INBOX_NEWS & ~(INBOX_INIT | INBOX_SIPI);
    if (vlapic_has_news(l))
        fold(l, vlapic_inbox_take(&l->inbox, mask));
}

bool vlapic_take(struct vlapic *l, struct vlapic_requests *r) {
    *r = (struct vlapic_requests){.init = false};
    if (!vlapic_has_news(l))
        return false;
    uint64_t news = vlapic_inbox_take(&l->inbox, INBOX_NEWS);
    if ((news & INBOX_INIT) != 0 && vlapic_is_hw_enabled(l)) {
        vlapic_reset(l); /* the rest finds an APIC that is disabled by software, as if it had come later */
        r->init = true;
    }
    fold(l, news);
    if ((news & INBOX_SIPI) != 0) {
        int vector = vlapic_inbox_take_sipi(&l->inbox);
        r->sipi = vector >= 0 && vlapic_is_hw_enabled(l);
        r->sipi_vector = (uint8_t)vector;
    }
    return r->init || r->sipi;
}
