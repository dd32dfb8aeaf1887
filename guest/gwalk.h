/* SPDX-License-Identifier: MIT */
/* gwalk.h - guest-linear to guest-physical, by the guest's own page tables.
 * - gwalk_translate: one address. - gwalk_fetch: instruction octets at an address.
 * No paging, 32-bit, PAE, 4- and 5-level paging. Only "present" is looked at; accessed and dirty bits are not
 * set: this serves to read an instruction that the CPU has just executed. Tables are hostile: all reads are
 * inside guest RAM.
 * Source: Intel SDM Vol. 3A chapter 4 "Paging". Pure. */
#ifndef GUEST_GWALK_H
#define GUEST_GWALK_H

#include "guest/gmem.h"

struct gwalk_regs {
    uint64_t cr0, cr3, cr4, efer;
};

/* gwalk_translate - ERR_NOENT: not present. ERR_RANGE: a table lies outside RAM, or linear is not canonical.
 * *out may lie outside RAM. */
result_t gwalk_translate(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear,
                         gpa_t *out) MUST_CHECK;

#define GWALK_FETCH_BYTES 16u
/* gwalk_fetch - up to GWALK_FETCH_BYTES octets from linear on (CS base + RIP), across a page boundary if the
 * second page is there. *n: how many came, at least 1. Errors as above, and ERR_RANGE when the code is not in
 * RAM. */
result_t gwalk_fetch(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear,
                     uint8_t buf[GWALK_FETCH_BYTES], unsigned *n) MUST_CHECK;

#endif
