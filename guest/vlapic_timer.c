/* SPDX-License-Identifier: MIT */
/* vlapic_timer.c - the local APIC's timer: one-shot, periodic and TSC-deadline.
 * Nothing ticks: the state is the expiry (guest ns or TSC deadline); counts are computed when read. */
#include "guest/vlapic_priv.h"

static unsigned timer_shift(uint32_t divide) {
    return (((divide & 3) | (divide >> 1 & 4)) + 1) & 7;
}

static uint8_t mode_of(uint32_t lvt) {
    return (uint8_t)((lvt & LAPIC_LVT_TIMER_MODE_MASK) >> LAPIC_LVT_TIMER_MODE_SHIFT);
}

static uint32_t initial_count(const struct vlapic *l) {
    return vlapic_reg(l, LAPIC_TIMER_INIT);
}

static uint64_t period_ns(const struct vlapic *l) {
    return (uint64_t)initial_count(l) << l->timer_shift;
}

static bool is_ticking(const struct vlapic *l) {
    return l->timer_mode == LAPIC_TIMER_PERIODIC && initial_count(l) != 0;
}

static void arm_ns(struct vlapic *l, uint64_t expiry_ns) {
    l->timer_expiry_ns = expiry_ns;
    l->timer_next_tsc = expiry_ns == 0 ? VCLOCK_NEVER : vclock_ns_to_tsc(l->clock, expiry_ns);
}

void vlapic_timer_derive(struct vlapic *l) {
    l->timer_mode = mode_of(vlapic_reg(l, LAPIC_LVT_TIMER));
    l->timer_shift = (uint8_t)timer_shift(vlapic_reg(l, LAPIC_TIMER_DIVIDE));
    if (l->timer_mode == LAPIC_TIMER_TSC_DEADLINE)
        vlapic_write_tsc_deadline(l, l->tsc_deadline);
    else
        arm_ns(l, l->timer_expiry_ns);
}

uint64_t vlapic_deadline_to_clock(const struct vlapic *l, uint64_t deadline) {
    if (deadline == 0)
        return VCLOCK_NEVER;
    uint64_t at = deadline - l->tsc_adjust;
    bool behind = (int64_t)l->tsc_adjust < 0; /* the guest's TSC is behind the clock's */
    if (behind && at < deadline)
        return VCLOCK_NEVER; /* past the end of the clock */
    if (!behind && at > deadline)
        return 0; /* before the clock began: due */
    return at;
}

void vlapic_set_tsc_adjust(struct vlapic *l, uint64_t adjust) {
    l->tsc_adjust = adjust;
    if (l->timer_mode == LAPIC_TIMER_TSC_DEADLINE)
        l->timer_next_tsc = vlapic_deadline_to_clock(l, l->tsc_deadline);
}

uint64_t vlapic_read_tsc_deadline(struct vlapic *l) {
    if (l->timer_mode != LAPIC_TIMER_TSC_DEADLINE)
        return 0;
    vlapic_run(l); /* a deadline that has passed reads as 0 */
    return l->tsc_deadline;
}

/* The first multiple of the period after now. A long stop is one interrupt, not thousands. */
static uint64_t next_period(const struct vlapic *l, uint64_t now_ns) {
    uint64_t period = period_ns(l);
    uint64_t earliest = l->timer_expiry_ns + period;
    if (now_ns >= earliest)
        earliest += ((now_ns - earliest) / period + 1) * period;
    if (period < VLAPIC_MIN_PERIOD_NS)
        earliest += VLAPIC_MIN_PERIOD_NS / period * period;
    return earliest;
}

void vlapic_timer_expire(struct vlapic *l, uint64_t now_tsc) {
    if (l->timer_mode == LAPIC_TIMER_TSC_DEADLINE) {
        l->tsc_deadline = 0;
        l->timer_next_tsc = VCLOCK_NEVER;
    } else if (is_ticking(l)) {
        arm_ns(l, next_period(l, vclock_tsc_to_ns(l->clock, now_tsc)));
    } else {
        arm_ns(l, 0);
    }
    uint32_t lvt = vlapic_reg(l, LAPIC_LVT_TIMER);
    if ((lvt & LAPIC_LVT_MASKED) == 0)
        vlapic_raise(l, (uint8_t)lvt, false);
}

void vlapic_timer_write_lvt(struct vlapic *l, uint32_t value) {
    uint8_t mode = mode_of(value);
    vlapic_set_reg(l, LAPIC_LVT_TIMER, value);
    if (mode == l->timer_mode)
        return;
    if (mode == LAPIC_TIMER_TSC_DEADLINE || l->timer_mode == LAPIC_TIMER_TSC_DEADLINE) {
        /* Going to or from TSC-deadline mode disarms the timer. */
        vlapic_set_reg(l, LAPIC_TIMER_INIT, 0);
        l->tsc_deadline = 0;
        arm_ns(l, 0);
    }
    l->timer_mode = mode;
}

void vlapic_timer_write_init(struct vlapic *l, uint32_t value) {
    if (l->timer_mode == LAPIC_TIMER_TSC_DEADLINE)
        return;
    vlapic_set_reg(l, LAPIC_TIMER_INIT, value);
    arm_ns(l, value == 0 ? 0 : vclock_ns(l->clock) + period_ns(l));
}

uint32_t vlapic_timer_current(const struct vlapic *l) {
    if (l->timer_expiry_ns == 0)
        return 0;
    uint64_t now = vclock_ns(l->clock);
    uint64_t left;
    if (now < l->timer_expiry_ns)
        left = l->timer_expiry_ns - now;
    else if (is_ticking(l))
        left = period_ns(l) - (now - l->timer_expiry_ns) % period_ns(l);
    else
        return 0;
    if (is_ticking(l) && left > period_ns(l))
        left = (left - 1) % period_ns(l) + 1; /* VLAPIC_MIN_PERIOD_NS put the expiry several periods ahead */
    return (uint32_t)((left + BIT(l->timer_shift) - 1) >> l->timer_shift);
}

void vlapic_timer_write_divide(struct vlapic *l, uint32_t value) {
    uint64_t count = vlapic_timer_current(l);
    vlapic_set_reg(l, LAPIC_TIMER_DIVIDE, value & LAPIC_TIMER_DIVIDE_MASK);
    l->timer_shift = (uint8_t)timer_shift(value);
    if (l->timer_expiry_ns != 0)
        arm_ns(l, vclock_ns(l->clock) + MAX(count << l->timer_shift, 1));
}
