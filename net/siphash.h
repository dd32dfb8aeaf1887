/* SPDX-License-Identifier: MIT */
/* siphash.h - SipHash-2-4, a short-input keyed hash: sequence numbers and ports that nobody can guess.
 * Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012, section 2. Pure. */
#ifndef NET_SIPHASH_H
#define NET_SIPHASH_H

#include "kernel/types.h"

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

#endif
