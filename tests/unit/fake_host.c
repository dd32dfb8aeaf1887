/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_host.h"

#include "kernel/time.h"

#include <string.h>

unsigned fake_host;
uint64_t fake_time_ns = NSEC_PER_SEC;
uint64_t fake_offset_ns[FAKE_HOSTS];

void fake_host_reset(void) {
    fake_host = 0;
    fake_time_ns = NSEC_PER_SEC;
    memset(fake_offset_ns, 0, sizeof fake_offset_ns);
}

/* Weak: a test that brings its own clock may do so. */
__attribute__((weak)) uint64_t time_now_ns(void) {
    return fake_time_ns + fake_offset_ns[fake_host];
}

__attribute__((weak)) uint64_t time_wall_ns(void) {
    return fake_time_ns;
}

uint64_t fake_random_next(struct fake_random *r) {
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dull;
}
