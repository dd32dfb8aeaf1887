/* SPDX-License-Identifier: MIT */
/* vcpuid_policy.h - which CPUID features a guest may see: per feature word, what the baselines contain, what
 * may pass from the host, and what Godwit provides by itself. */
#ifndef GUEST_VCPUID_POLICY_H
#define GUEST_VCPUID_POLICY_H

#include "guest/vcpuid.h"

struct vcpuid_baseline {
    const char *brand;  /* up to 47 characters */
    uint32_t signature; /* leaf 1 EAX */
    uint32_t microcode;
    uint32_t phys_bits;
    uint32_t words[VCPUID_NR_WORDS];
};

/* vcpuid_baseline_of - the fixed description of v2 or v3; NULL for the others. */
const struct vcpuid_baseline *vcpuid_baseline_of(enum cpu_baseline b);
/* vcpuid_host_words - everything that a guest could be given on this host. */
void vcpuid_host_words(const struct vcpuid_host *host, uint32_t words[VCPUID_NR_WORDS]);
/* vcpuid_check_words - ERR_UNSUPP naming the first bit of want that is not in have. */
result_t vcpuid_check_words(const char *what, const uint32_t want[VCPUID_NR_WORDS],
                            const uint32_t have[VCPUID_NR_WORDS], struct reason *why) MUST_CHECK;

#endif
