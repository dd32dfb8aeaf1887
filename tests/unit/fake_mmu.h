/* SPDX-License-Identifier: MIT */
/* fake_mmu.h - a CPU's memory accesses through EPT, for tests of the dirty log: walks the tables, sets accessed and
 * dirty flags, takes write faults, fills a PML buffer - and keeps translations in a TLB until it is told to drop them,
 * which is what real CPUs do and what emulators tend not to.
 * - mmu_read / mmu_write: one access to a page.      - mmu_flush: INVEPT.
 * - mmu_pml_enable / mmu_pml_drain: what the functions vcpu_pml_* do.
 * Source: SDM Vol. 3C, 28.3.5 "Accessed and Dirty Flags for EPT", 28.3.6 "Page-Modification Logging",
 * 28.4 "Caching Translation Information". */
#ifndef TESTS_UNIT_FAKE_MMU_H
#define TESTS_UNIT_FAKE_MMU_H

#include "vmx/dirty.h"

#define MMU_PML_ENTRIES 512u
#define MMU_TLB_SLOTS 4096u

struct mmu_slot {
    gpa_t page; /* address of the 4 KiB page + 1; 0: empty */
    bool writable, dirty;
};

struct mmu {
    const struct ept *ept;
    struct dirty_log *log;
    struct mmu_slot tlb[MMU_TLB_SLOTS];
    uint64_t pml[MMU_PML_ENTRIES];
    uint16_t pml_index; /* next free entry, counting down; 0xffff: full */
    bool pml_on;
    uint64_t faults, pml_exits, walks;
};

void mmu_init(struct mmu *m, const struct ept *ept, struct dirty_log *log);
void mmu_flush(struct mmu *m);
void mmu_pml_enable(struct mmu *m, bool on);
void mmu_pml_drain(struct mmu *m);
/* mmu_read, mmu_write - false: not mapped, or a write fault that the log did not recognise. */
bool mmu_read(struct mmu *m, gpa_t gpa);
bool mmu_write(struct mmu *m, gpa_t gpa);

#endif
