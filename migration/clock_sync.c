/* SPDX-License-Identifier: MIT */
#include "migration/clock_sync.h"

void clock_sync_reset(struct clock_sync *c) {
    *c = (struct clock_sync){0};
}

bool clock_sync_add(struct clock_sync *c, uint64_t t1, uint64_t t2, uint64_t t3, uint64_t t4) {
    if (t4 < t1 || t3 < t2 || t4 - t1 < t3 - t2)
        return false;
    uint64_t rtt = (t4 - t1) - (t3 - t2);
    if (c->samples++ > 0 && rtt >= c->rtt_ns)
        return true;
    c->rtt_ns = rtt;
    c->offset_ns = (int64_t)(t2 - t1 - rtt / 2); /* the reply's way: t4 - t3 + offset = rtt / 2 */
    return true;
}

uint64_t clock_sync_error_ns(const struct clock_sync *c) {
    return c->samples == 0 ? UINT64_MAX : c->rtt_ns / 2 + 1;
}
