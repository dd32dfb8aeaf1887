/* SPDX-License-Identifier: MIT */
#include "migration/clock_sync.h"

void clock_sync_reset(struct clock_sync *c) {
    *c = (struct clock_sync){0};
}

bool clock_sync_add(struct clock_sync *c, uint64_t t1, uint64_t t2, uint64_t t3, uint64_t t4) {
    uint64_t rtt = (t2 - t1) + (t4 - t3); /* the offset cancels out */
    if ((int64_t)rtt < 0)
        return false;
    if (c->samples++ > 0 && rtt >= c->rtt_ns)
        return true;
    c->rtt_ns = rtt;
    c->offset_ns = (int64_t)(t2 - t1 -
                             rtt / 2); /* the way there took half of it, give or take the other half */
    return true;
}

uint64_t clock_sync_error_ns(const struct clock_sync *c) {
    return c->samples == 0 ? UINT64_MAX : c->rtt_ns / 2 + 1;
}
