/* SPDX-License-Identifier: MIT */
/* ept.h - extended page tables: guest-physical to host-physical, with leaves as large as alignment allows.
 * - ept_init / ept_exit: an empty tree; free all tables.     - ept_map_range: back a range.
 * - ept_split / ept_join: one 2 MiB region into 4 KiB leaves and back; both while CPUs walk the tables.
 * - ept_free_retired: tables that joining replaced, once no CPU can walk them any more.
 * - ept_leaf_table: the 512 leaf entries of a split region.  - ept_pointer: for the VMCS.
 * Pure: tables come from the struct ept_mem that the caller gives.
 * Source: SDM Vol. 3C, 28.3 "The Extended Page Table Mechanism (EPT)". */
#ifndef VMX_EPT_H
#define VMX_EPT_H

#include "kernel/result.h"

#define EPT_R BIT(0)
#define EPT_W BIT(1)
#define EPT_X BIT(2)
#define EPT_RWX (EPT_R | EPT_W | EPT_X)
#define EPT_TYPE_WB (6ull << 3)
#define EPT_LARGE BIT(7)
#define EPT_A BIT(8)
#define EPT_D BIT(9)
#define EPT_ADDR 0x000ffffffffff000ull

/* Where tables come from. alloc: a zeroed 4 KiB page, 0 = none. */
struct ept_mem {
    hpa_t (*alloc)(void);
    void (*free)(hpa_t pa);
    void *(*to_virt)(hpa_t pa);
};

struct ept {
    const struct ept_mem *mem;
    hpa_t root;
    bool ad;         /* accessed and dirty flags on */
    bool huge;       /* 1 GiB leaves allowed */
    uint64_t tables; /* pages in use */
    hpa_t *retired;  /* tables that ept_join replaced */
    uint64_t nr_retired, cap_retired;
    uint64_t generation; /* [a] counts changes after which translations must be invalidated; the changer's caller counts */
};

result_t ept_init(struct ept *e, const struct ept_mem *mem, bool ad, bool huge) MUST_CHECK;
void ept_exit(struct ept *e);
uint64_t ept_pointer(const struct ept *e);

/* ept_map_range - map [gpa, gpa + len) to [hpa, hpa + len), all 2 MiB aligned, read-write-execute, write-back.
 * Errors: ERR_INVAL (alignment; gpa beyond 2^48, the reach of a 4-level walk; hpa beyond 2^52), ERR_EXIST (something is
 * mapped there), ERR_NOMEM; a failed call may leave a part mapped, ept_exit frees it. */
result_t ept_map_range(struct ept *e, gpa_t gpa, hpa_t hpa, uint64_t len) MUST_CHECK;

/* ept_split - the 2 MiB region of gpa gets 4 KiB leaves (OK when it has them). ERR_NOENT: not mapped. Caller flushes. */
result_t ept_split(struct ept *e, gpa_t gpa) MUST_CHECK;
/* ept_join - back to one 2 MiB leaf; a 1 GiB leaf is made again when all their regions are large and contiguous. The tables are
 * kept until the caller has invalidated translations on all CPUs and calls ept_free_retired; without memory to remember a
 * table the region stays split. */
void ept_join(struct ept *e, gpa_t gpa);
void ept_free_retired(struct ept *e);
/* ept_leaf_table - the 512 entries of a split region, NULL when it is a large leaf or unmapped. */
uint64_t *ept_leaf_table(const struct ept *e, gpa_t gpa);
/* ept_region_entry - the entry that points to that table (its accessed flag tells whether the region was used). */
uint64_t *ept_region_entry(const struct ept *e, gpa_t gpa);
/* ept_lookup - the leaf entry that maps gpa (any size), 0 when there is none. */
uint64_t ept_lookup(const struct ept *e, gpa_t gpa, uint64_t *leaf_bytes);

#endif
