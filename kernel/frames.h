/* SPDX-License-Identifier: MIT */
/* frames.h - the allocator of host physical memory, in 4 KiB frames and naturally aligned runs of them.
 * - frames_alloc(order): 2^order contiguous frames, aligned to their size, zeroed; returns the physical address, 0 = none.
 * - frames_free: give back what frames_alloc gave.
 * - phys_to_virt / virt_to_phys: the direct map (all RAM, read-write, never executable).
 * - frames_stats: totals for `mem`.
 * Context: CPU 0 only, until an SMP issue says otherwise. */
#ifndef KERNEL_FRAMES_H
#define KERNEL_FRAMES_H

#include "kernel/types.h"

#ifndef DIRECT_MAP_BASE /* a hosted test puts its own in user space */
#define DIRECT_MAP_BASE 0xffff800000000000ull
#endif
#define FRAMES_MAX_ORDER 9u /* 2 MiB */

static inline void *phys_to_virt(hpa_t pa) {
    return (void *)(uintptr_t)(pa + DIRECT_MAP_BASE);
}

/* virt_to_phys - only for addresses in the direct map (everything from malloc and frames_alloc is). */
static inline hpa_t virt_to_phys(const void *va) {
    return (hpa_t)(uintptr_t)va - DIRECT_MAP_BASE;
}

struct frames_stats {
    uint64_t total_bytes; /* usable RAM that the allocator was given */
    uint64_t free_bytes;
    uint64_t free_large;  /* free 2 MiB runs */
};

hpa_t frames_alloc(unsigned order);
void frames_free(hpa_t pa, unsigned order);
struct frames_stats frames_stats(void);

/* mmio_map - make a device's registers accessible (uncached, read-write, never executable).
 * pa, len: need not be aligned. Returns the virtual address, or NULL when page tables ran out. Never unmapped. */
volatile void *mmio_map(hpa_t pa, size_t len);

#endif
