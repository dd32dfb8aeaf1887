/* SPDX-License-Identifier: MIT */
/* vmsr_mtrr.h - the memory type range registers: remembered and checked, without effect (EPT decides the
 * type).
 * - vmsr_mtrr_init: as firmware leaves them.   - vmsr_mtrr_read, vmsr_mtrr_write: false = #GP.
 * Source: SDM Vol. 3 "Memory Type Range Registers (MTRRs)". */
#ifndef GUEST_VMSR_MTRR_H
#define GUEST_VMSR_MTRR_H

#include "guest/vmsr.h"

void vmsr_mtrr_init(struct vmsr *m);
bool vmsr_mtrr_read(struct vmsr *m, uint32_t msr, uint64_t *value);
bool vmsr_mtrr_write(struct vmsr *m, uint32_t msr, uint64_t value);

#endif
