/* SPDX-License-Identifier: MIT */
#include "guest/vclock.h"

void vclock_init(struct vclock *c, uint64_t tsc_hz, uint64_t (*read_tsc)(const struct vclock *)) {
    c->read_tsc = read_tsc;
    c->tsc_hz = tsc_hz;
    c->ns_mul = (NSEC_PER_SEC << 32) / tsc_hz;
    c->tsc_offset = 0;
}

/* The smallest tsc with tsc * ns_mul >> 32 >= ns is (ns << 32) / ns_mul, rounded up: long division in digits of
 * 32, 16 and 16 bits, since ns_mul < 2^43 (tsc_hz >= 1 MHz). */
uint64_t vclock_ns_to_tsc(const struct vclock *c, uint64_t ns) {
    uint64_t high = ns / c->ns_mul, rest = ns % c->ns_mul;
    if (ns == VCLOCK_NEVER || high > UINT32_MAX)
        return VCLOCK_NEVER;
    uint64_t middle = (rest << 16) / c->ns_mul;
    rest = (rest << 16) % c->ns_mul;
    uint64_t low = (rest << 16) / c->ns_mul;
    uint64_t tsc = (high << 32) + (middle << 16) + low;
    return (rest << 16) % c->ns_mul != 0 ? tsc + 1 : tsc;
}
