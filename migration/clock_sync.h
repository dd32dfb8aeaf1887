/* SPDX-License-Identifier: MIT */
/* clock_sync.h - the offset between two hosts' time axes from probes and replies, as NTP does it.
 * Probe leaves at t1 (source time), arrives at t2 and the reply leaves at t3 (target time), it arrives at t4
 * (source time): offset = ((t2 - t1) + (t3 - t4)) / 2 = target minus source, and its error is at most half
 * the round trip (t4 - t1) - (t3 - t2). The sample with the shortest round trip wins. Source: RFC 5905
 * section 8, "On-Wire Protocol". */
#ifndef MIGRATION_CLOCK_SYNC_H
#define MIGRATION_CLOCK_SYNC_H

#include "kernel/types.h"

struct clock_sync {
    uint32_t samples;
    int64_t offset_ns; /* target minus source */
    uint64_t rtt_ns;   /* of the sample that was kept */
};

void clock_sync_reset(struct clock_sync *c);
/* clock_sync_add - false for an impossible sample (ignored). The two ways need not be one after the other:
 * any message there (t1, t2) and any message back (t3, t4) will do. */
bool clock_sync_add(struct clock_sync *c, uint64_t t1, uint64_t t2, uint64_t t3, uint64_t t4);
/* clock_sync_error_ns - bound of the error; UINT64_MAX without a sample. */
uint64_t clock_sync_error_ns(const struct clock_sync *c);

#endif
