/* SPDX-License-Identifier: MIT */
/* vclock.h - a guest's time axis: its TSC, and nanoseconds derived from it.
 * All device models take their time from here, so guest time moves with the guest: a migration carries one number.
 * - vclock_tsc: guest TSC now.   - vclock_ns: guest nanoseconds since TSC 0.
 * - vclock_tsc_to_ns / vclock_ns_to_tsc: conversions, monotonic up to 2^64 ns (584 years); then ns wrap.
 * Hosted tests set read_tsc to a function that returns a settable number. */
#ifndef GUEST_VCLOCK_H
#define GUEST_VCLOCK_H

#include "kernel/types.h"

#define VCLOCK_NEVER UINT64_MAX /* "no event": larger than any time */

struct vclock {
    uint64_t (*read_tsc)(const struct vclock *); /* guest TSC now; never goes backwards */
    uint64_t tsc_hz;                             /* guest-visible frequency, constant for the VM's life */
    uint64_t ns_mul;                             /* ns = tsc * ns_mul >> 32 */
    uint64_t tsc_offset;                         /* for the hypervisor's read_tsc: guest = host + offset */
};

/* vclock_init - tsc_hz: 1 MHz .. 16 GHz. */
void vclock_init(struct vclock *c, uint64_t tsc_hz, uint64_t (*read_tsc)(const struct vclock *));

static inline uint64_t vclock_tsc(const struct vclock *c) {
    return c->read_tsc(c);
}

static inline uint64_t vclock_tsc_to_ns(const struct vclock *c, uint64_t tsc) {
    return (uint64_t)(((unsigned __int128)tsc * c->ns_mul) >> 32);
}

static inline uint64_t vclock_ns(const struct vclock *c) {
    return vclock_tsc_to_ns(c, vclock_tsc(c));
}

/* vclock_ns_to_tsc - the first TSC value whose vclock_tsc_to_ns is >= ns; VCLOCK_NEVER when there is none, and
 * for VCLOCK_NEVER. */
uint64_t vclock_ns_to_tsc(const struct vclock *c, uint64_t ns);

#endif
