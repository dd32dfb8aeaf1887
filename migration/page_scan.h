/* SPDX-License-Identifier: MIT */
/* page_scan.h - what migration needs to know about the content of a page, with general registers only.
 * - page_is_zero: all 4096 octets zero? Returns at the first octets that are not.
 * - page_hash: 64-bit hash of (page index, content); page_hash_zero: the same for a zero page, without
 * reading it.
 * - page_scan: both at once, about 600 instructions for any page.
 * The image digest is the sum modulo 2^64 of page_hash over all RAM pages: it does not depend on the order in
 * which pages came, and a page that is sent again subtracts its old hash and adds its new one. It guards
 * against errors, not attackers. Definition (docs/wire-format.md, "Digest"): word w of the page goes to
 * CRC-32C lane w mod 4 (start 0, no inversion), then the four lanes and the index are mixed by
 * multiplication. Needs SSE4.2's crc32 instruction (x86-64-v2). */
#ifndef MIGRATION_PAGE_SCAN_H
#define MIGRATION_PAGE_SCAN_H

#include "kernel/types.h"

bool page_is_zero(const void *page);
uint64_t page_hash(uint64_t index, const void *page);
uint64_t page_hash_zero(uint64_t index);

/* page_scan - true for a zero page; hash: of its content in either case. page: 4096 octets, 8-octet
 * aligned. */
static inline bool page_scan(uint64_t index, const void *page, uint64_t *hash) {
    bool zero = page_is_zero(page);
    *hash = zero ? page_hash_zero(index) : page_hash(index, page);
    return zero;
}

#endif
