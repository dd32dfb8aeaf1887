/* SPDX-License-Identifier: MIT */
/* policy.h - when pre-copy stops: a pure function of statistics.
 * - policy_decide: after a round (or after the drain before the stop): go on, stop the guest, or give up, and
 * why.
 * - policy_rate_update / policy_dirty_update: the estimates it works from.
 * Stop as soon as the predicted blackout is within the limit and another round would not make it much
 * shorter. When rounds bring nothing any more, stop only within the hard limit; otherwise give up, and the
 * guest runs on unharmed. */
#ifndef MIGRATION_POLICY_H
#define MIGRATION_POLICY_H

#include "kernel/result.h"

enum policy_decision { POLICY_INVALID = 0, POLICY_CONTINUE, POLICY_STOP, POLICY_GIVE_UP };

struct policy_limits {
    uint64_t downtime_limit_ns; /* aim: predicted blackout at the stop */
    uint64_t hard_limit_ns;     /* accepted when pre-copy does not converge */
    uint32_t max_rounds;
};

#define POLICY_DEFAULT_BYTES_PER_S 110000000ull /* until something was measured: 1 Gbit/s */
#define POLICY_FIXED_NS 800000ull               /* pause, state sections, three messages each way */
#define POLICY_DRAIN_NS 3000000ull              /* guest runs this long between the verdict and the pause */
#define POLICY_WIRE_BYTES_PER_PAGE 4288ull      /* 4 KiB with framing */
#define POLICY_STALL_ROUNDS 4u                  /* this many rounds without progress mean no convergence */

struct policy_state {
    uint64_t bytes_per_s;       /* estimate of the link; 0 = nothing measured yet */
    uint64_t dirty_pages_per_s; /* newest rate at which clean pages become dirty */
    uint64_t best_left;         /* fewest pages that were ever left after a round */
    uint32_t stalled;           /* rounds since best_left shrank by a tenth */
};

struct policy_verdict {
    enum policy_decision decision;
    uint64_t predicted_ns; /* blackout if the guest were stopped now */
    struct reason why;
};

/* policy_rate_update - bytes left the machine within ns. Small samples are ignored. */
void policy_rate_update(struct policy_state *p, uint64_t bytes, uint64_t ns);
/* policy_dirty_update - pages became dirty within ns. */
void policy_dirty_update(struct policy_state *p, uint64_t pages, uint64_t ns);
/* policy_predict_ns - blackout if the guest stopped with this many pages left. */
uint64_t policy_predict_ns(const struct policy_state *p, uint64_t pages_left);
/* policy_decide - round: number of rounds already sent (1 after the first). */
struct policy_verdict policy_decide(struct policy_state *p, const struct policy_limits *l, uint32_t round,
                                    uint64_t pages_left);

#endif
