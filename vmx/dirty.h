/* SPDX-License-Identifier: MIT */
/* dirty.h - which guest pages were written: three mechanisms behind one interface (design section 4).
 *   PML    the CPU appends the address of each page whose dirty flag it sets; collect clears those flags again
 *   DBIT   collect scans the dirty flags of every region whose accessed flag is set
 *   WP     pages are read-only; the first write faults, is noted and allowed
 * All give the same bitmap. Pages are numbered densely: [0, low_pages) at 0, the rest at 4 GiB.
 * - dirty_start, then the vCPUs switch their PML on, then dirty_arm: split 2 MiB leaves into pages, which a write marks.
 * - dirty_stop, then the vCPUs switch their PML off and forget translations, then dirty_release: join them again.
 * - dirty_note: a page that PML reported.   - dirty_write_fault: a write violation; true when it was ours.
 * - dirty_collect: OR into a bitmap and re-arm. The caller then invalidates EPT translations on all CPUs.
 * Guests may run on other CPUs all the time. A page that is written while the caller of dirty_arm or dirty_collect has not yet
 * invalidated all CPUs' translations may go unlogged: its content must be read after that (the first round and each round of
 * pre-copy do).
 *
 *   vCPU: first write to P           CPU 0: dirty_collect
 *   fault: W set, then noted         noted taken, then W (or the dirty flag) cleared, then translations invalidated
 *   a note that comes after "taken" is the next collection's; the page stays writable until then, and is in that one.
 * Pure: works on struct ept. Context: CPU 0; dirty_note and dirty_write_fault: the CPU that runs the vCPU.
 * Source: SDM Vol. 3C, 28.3.5 "Accessed and Dirty Flags for EPT", 28.3.6 "Page-Modification Logging". */
#ifndef VMX_DIRTY_H
#define VMX_DIRTY_H

#include "vmx/ept.h"

#define DIRTY_HIGH_START (4ull * GIB)

enum dirty_mode { DIRTY_MODE_OFF = 0, DIRTY_MODE_PML, DIRTY_MODE_DBIT, DIRTY_MODE_WP };

struct dirty_region {
    uint64_t *entry; /* the EPT entry that points to leaf[] */
    uint64_t *leaf;  /* 512 leaves */
};

struct dirty_log {
    enum dirty_mode mode;         /* [a] */
    struct ept *ept;
    uint64_t low_pages, nr_pages; /* multiples of 512 */
    uint64_t *noted;              /* [a] PML, WP: pages since the last collect, one bit each */
    struct dirty_region *region;  /* one per 512 pages */
};

/* dirty_start - ERR_BUSY (runs already), ERR_UNSUPP (PML and DBIT need ept->ad), ERR_NOMEM, ERR_NOENT (not all of it is
 * mapped); on error the mappings are as before, but leaves were split and joined: the caller invalidates translations on all
 * CPUs and then calls dirty_release. */
result_t dirty_start(struct dirty_log *d, struct ept *e, enum dirty_mode mode, uint64_t low_pages, uint64_t nr_pages) MUST_CHECK;
void dirty_arm(struct dirty_log *d);
void dirty_stop(struct dirty_log *d);
void dirty_release(struct dirty_log *d);
static inline bool dirty_is_pml(const struct dirty_log *d) {
    return __atomic_load_n(&d->mode, __ATOMIC_ACQUIRE) == DIRTY_MODE_PML; /* partner: the release in dirty_start */
}
bool dirty_write_fault(struct dirty_log *d, gpa_t gpa);
void dirty_note(struct dirty_log *d, gpa_t gpa);
/* dirty_cross_check - pages that are noted and whose leaf does not say so, or the other way round (PML: dirty flag, WP: write
 * permission; DBIT has the flags only: 0). The guest stands still and its PML is drained. *first: the lowest such page. */
uint64_t dirty_cross_check(const struct dirty_log *d, uint64_t *first);
/* dirty_collect - returns how many bits became newly set in bitmap (nr_pages bits). */
uint64_t dirty_collect(struct dirty_log *d, uint64_t *bitmap);

#endif
