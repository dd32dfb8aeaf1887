/* SPDX-License-Identifier: MIT */
#include "guest/vclock.h"

void vclock_init(struct vclock *c, uint64_t tsc_hz, uint64_t (*read_tsc)(const struct vclock *)) {
    c->read_tsc = read_tsc;
    c->tsc_hz = tsc_hz;
    c->ns_mul = (NSEC_PER_SEC << 32) / tsc_hz;
    c->tsc_offset = 0;
}

uint64_t vclock_ns_to_tsc(const struct vclock *c, uint64_t ns) {
    if (ns == VCLOCK_NEVER)
        return VCLOCK_NEVER;
    uint64_t sec = ns / NSEC_PER_SEC;
    uint64_t rest = ns % NSEC_PER_SEC;
    uint64_t tsc = sec * c->tsc_hz + rest * (c->tsc_hz / 1000) / (NSEC_PER_SEC / 1000);
    while (vclock_tsc_to_ns(c, tsc) < ns) /* ns_mul is rounded down: catch up by the rounding error */
        tsc += 1 + (uint64_t)(((unsigned __int128)(ns - vclock_tsc_to_ns(c, tsc)) * c->tsc_hz >> 30));
    return tsc;
}
