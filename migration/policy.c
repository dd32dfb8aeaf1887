/* SPDX-License-Identifier: MIT */
#include "migration/policy.h"

#define MIN_SAMPLE_BYTES (128 * KIB)
#define FEW_PAGES 8u /* not worth another round */

static uint64_t per_second(uint64_t amount, uint64_t ns) {
    uint64_t us = MAX(ns / 1000, 1u);
    return amount > UINT64_MAX / 1000000 ? amount / us * 1000000 : amount * 1000000 / us;
}

/* amount * 1e9 / rate without overflow for any input that can occur; saturates. */
static uint64_t ns_for(uint64_t amount, uint64_t rate) {
    uint64_t s = amount / rate, rest = amount % rate;
    if (s > 1000000)
        return 1000000 * NSEC_PER_SEC;
    return s * NSEC_PER_SEC + (rest > UINT64_MAX / NSEC_PER_SEC ? NSEC_PER_SEC : rest * NSEC_PER_SEC / rate);
}

void policy_rate_update(struct policy_state *p, uint64_t bytes, uint64_t ns) {
    if (bytes < MIN_SAMPLE_BYTES || ns == 0)
        return;
    uint64_t sample = MAX(per_second(bytes, ns), 1u);
    p->bytes_per_s = p->bytes_per_s == 0 ? sample : p->bytes_per_s / 4 * 3 + sample / 4;
}

void policy_dirty_update(struct policy_state *p, uint64_t pages, uint64_t ns) {
    p->dirty_pages_per_s = per_second(pages, ns);
}

static uint64_t send_ns(const struct policy_state *p, uint64_t pages) {
    return ns_for(pages * POLICY_WIRE_BYTES_PER_PAGE,
                  p->bytes_per_s ? p->bytes_per_s : POLICY_DEFAULT_BYTES_PER_S);
}

uint64_t policy_predict_ns(const struct policy_state *p, uint64_t pages_left) {
    return POLICY_FIXED_NS + send_ns(p, pages_left);
}

static struct policy_verdict verdict(enum policy_decision d, uint64_t predicted_ns) {
    return (struct policy_verdict){.decision = d, .predicted_ns = predicted_ns};
}

#define US(ns) ((unsigned long)((ns) / 1000))

static struct policy_verdict not_converging(const struct policy_state *p, const struct policy_limits *l,
                                            uint32_t round, uint64_t left, uint64_t predicted) {
    struct policy_verdict v = verdict(predicted <= l->hard_limit_ns ? POLICY_STOP : POLICY_GIVE_UP,
                                      predicted);
    unsigned long rate = (unsigned long)((p->bytes_per_s ? p->bytes_per_s : POLICY_DEFAULT_BYTES_PER_S) /
                                         KIB);
    if (v.decision == POLICY_STOP)
        (void)reason_set(&v.why, OK,
                         "no further progress after %u rounds: %lu pages left, predicted blackout %lu us "
                         "is over the limit of %lu us but within the hard limit of %lu us",
                         round, (unsigned long)left, US(predicted), US(l->downtime_limit_ns),
                         US(l->hard_limit_ns));
    else
        (void)reason_set(&v.why, OK,
                         "does not converge: after %u rounds %lu pages are left (dirtied %lu KiB/s, link "
                         "%lu KiB/s), blackout %lu us > limit %lu us; raise the limit or calm the guest",
                         round, (unsigned long)left, (unsigned long)(p->dirty_pages_per_s * 4), rate,
                         US(predicted), US(l->hard_limit_ns));
    return v;
}

struct policy_verdict policy_decide(struct policy_state *p, const struct policy_limits *l, uint32_t round,
                                    uint64_t pages_left) {
    uint64_t sending_ns = send_ns(p, pages_left);
    uint64_t predicted = POLICY_FIXED_NS + sending_ns;
    uint64_t next_ns = sending_ns + POLICY_DRAIN_NS;
    uint64_t next_left = p->dirty_pages_per_s * (next_ns / 1000) / 1000000;
    if (round <= 1 || pages_left < p->best_left - p->best_left / 10) {
        p->best_left = pages_left;
        p->stalled = 0;
    } else {
        p->stalled++;
    }
    bool last = round >= l->max_rounds || p->stalled >= POLICY_STALL_ROUNDS;
    bool worth = pages_left > FEW_PAGES && next_left < pages_left / 2;
    if (predicted <= l->downtime_limit_ns && (last || !worth)) {
        struct policy_verdict v = verdict(POLICY_STOP, predicted);
        (void)reason_set(&v.why, OK,
                         "%lu pages left, predicted blackout %lu us is within the limit of %lu us",
                         (unsigned long)pages_left, US(predicted), US(l->downtime_limit_ns));
        return v;
    }
    if (last)
        return not_converging(p, l, round, pages_left, predicted);
    struct policy_verdict v = verdict(POLICY_CONTINUE, predicted);
    (void)reason_set(&v.why, OK,
                     "%lu pages left, predicted blackout %lu us, another round should leave about %lu",
                     (unsigned long)pages_left, US(predicted), (unsigned long)next_left);
    return v;
}
