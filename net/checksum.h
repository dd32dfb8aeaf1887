/* SPDX-License-Identifier: MIT */
/* checksum.h - the internet checksum, eight octets per step with carry.
 * Source: RFC 1071, section 2 "Calculating the Checksum". Pure. */
#ifndef NET_CHECKSUM_H
#define NET_CHECKSUM_H

#include "kernel/types.h"

/* checksum_sum - one's complement sum of len octets at any address, as 16 bits in the memory's octet order,
 * not inverted. sum: what came before (of an even number of octets), or 0. */
uint16_t checksum_sum(uint64_t sum, const void *data, size_t len);
/* checksum_fold - 64 bits of partial sum to 16. */
uint16_t checksum_fold(uint64_t sum);

#endif
