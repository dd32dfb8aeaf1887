/* SPDX-License-Identifier: MIT */
/* fake_host.h - several hosts in one test process: whose turn it is, and each one's clock.
 * Time stands still until the test moves it. Host h's time_now_ns is the common time plus its offset. */
#ifndef TESTS_UNIT_FAKE_HOST_H
#define TESTS_UNIT_FAKE_HOST_H

#include "kernel/types.h"

#define FAKE_HOSTS 4

extern unsigned fake_host;    /* the one whose code runs now */
extern uint64_t fake_time_ns; /* common time */
extern uint64_t fake_offset_ns[FAKE_HOSTS];

void fake_host_reset(void);

/* A small deterministic generator (xorshift64*). */
struct fake_random {
    uint64_t state;
};
uint64_t fake_random_next(struct fake_random *r);
static inline uint64_t fake_random_below(struct fake_random *r, uint64_t n) {
    return fake_random_next(r) % n;
}

#endif
