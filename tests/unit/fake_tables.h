/* SPDX-License-Identifier: MIT */
/* fake_tables.h - frames for EPT tables in a hosted test: a pool that counts, and that can run dry on purpose.
 * The pool's physical addresses are offsets into an arena; frame 0 is never given out.
 * - fake_tables_reset: all free, allocation allowed.        - fake_tables_used: pages out at the moment.
 * - fake_tables_limit: that many allocations more succeed.  - fake_tables_check: every entry of a tree is well-formed. */
#ifndef TESTS_UNIT_FAKE_TABLES_H
#define TESTS_UNIT_FAKE_TABLES_H

#include "vmx/ept.h"

extern const struct ept_mem fake_tables_mem;

void fake_tables_reset(void);
void fake_tables_limit(unsigned nr);
uint64_t fake_tables_used(void);
/* fake_tables_check - counts tables, and returns NULL or what is wrong: reserved bits (an EPT misconfiguration on the
 * CPU), a memory type other than write-back, an unaligned large leaf, a table page that is not out.
 * Source: SDM Vol. 3C, 28.3.3.1 "EPT Misconfigurations". */
const char *fake_tables_check(const struct ept *e, uint64_t *tables);

#endif
