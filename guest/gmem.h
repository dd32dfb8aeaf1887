/* SPDX-License-Identifier: MIT */
/* gmem.h - the one door to guest memory (design section 1.3).
 * Guest RAM is [0, low_bytes) and, when there is more, [4 GiB, 4 GiB + high_bytes). RAM pages are numbered densely:
 * page index 0 .. nr_pages-1 in guest-physical order (the index is the page's number in dirty bitmaps and on the wire).
 * Storage is 2 MiB chunks that need not be contiguous; chunk i backs page indexes [512 i, 512 i + 512).
 * - gmem_read / gmem_write / gmem_zero: bounds-checked copies; writes mark the pages dirty.
 * - gmem_page: read-only view of one page (migration, digests).   - gmem_page_rw: writable view, marks it dirty.
 * - gmem_dirty: the hypervisor's own writes since the last gmem_dirty_take, one bit per page (NULL: not recorded).
 * Context: any CPU that works for the VM; the dirty bits are atomic. */
#ifndef GUEST_GMEM_H
#define GUEST_GMEM_H

#include "kernel/result.h"

#define GMEM_LOW_MAX (3ull * GIB) /* RAM below the PCI hole */
#define GMEM_HIGH_START (4ull * GIB)

struct gmem {
    uint8_t **chunk;     /* host address of each 2 MiB chunk */
    uint64_t nr_chunks;
    uint64_t nr_pages;   /* = nr_chunks * 512 */
    uint64_t low_bytes;  /* RAM at [0, low_bytes) */
    uint64_t high_bytes; /* RAM at [4 GiB, 4 GiB + high_bytes) */
    uint64_t *dirty;     /* bitmap of pages written by the hypervisor, or NULL */
};

/* gmem_init - bytes: non-zero multiple of 2 MiB. chunk: nr_chunks pointers that outlive g. */
result_t gmem_init(struct gmem *g, uint64_t bytes, uint8_t **chunk) MUST_CHECK;

/* gmem_index - page index of a guest-physical address, or ERR_RANGE if it is not RAM. */
result_t gmem_index(const struct gmem *g, gpa_t gpa, uint64_t *index) MUST_CHECK;
/* gmem_gpa - guest-physical address of a page index (index < nr_pages). */
gpa_t gmem_gpa(const struct gmem *g, uint64_t index);

/* gmem_read, gmem_write, gmem_zero - ERR_RANGE when any octet is outside RAM; then nothing is copied. */
result_t gmem_read(const struct gmem *g, gpa_t gpa, void *buf, size_t len) MUST_CHECK;
result_t gmem_write(struct gmem *g, gpa_t gpa, const void *buf, size_t len) MUST_CHECK;
result_t gmem_zero(struct gmem *g, gpa_t gpa, size_t len) MUST_CHECK;

static inline const uint8_t *gmem_page(const struct gmem *g, uint64_t index) {
    return g->chunk[index >> 9] + ((index & 511) << PAGE_SHIFT);
}

static inline void gmem_mark_dirty(struct gmem *g, uint64_t index) {
    uint64_t *dirty = __atomic_load_n(&g->dirty, __ATOMIC_RELAXED);
    if (dirty != NULL)
        __atomic_fetch_or(&dirty[index >> 6], BIT(index & 63), __ATOMIC_RELAXED);
}

static inline uint8_t *gmem_page_rw(struct gmem *g, uint64_t index) {
    gmem_mark_dirty(g, index);
    return g->chunk[index >> 9] + ((index & 511) << PAGE_SHIFT);
}

#endif
