/* SPDX-License-Identifier: MIT */
/* slab.h - a bounded allocator for packet headers and small packets: power-of-two classes on free lists over
 * one arena. Every step is constant time; memory given to a class stays there, and big classes may not eat
 * the part that small ones need, so a flood of big packets cannot stop headers from being made. Pure. */
#ifndef NET_SLAB_H
#define NET_SLAB_H

#include "kernel/types.h"

#define SLAB_MIN_SHIFT 7u  /* 128 octets, 112 of them usable */
#define SLAB_MAX_SHIFT 14u /* 16 KiB */
#define SLAB_NR_CLASSES (SLAB_MAX_SHIFT - SLAB_MIN_SHIFT + 1)

struct slab_head;

struct slab {
    uint8_t *next, *end;  /* not handed out yet */
    size_t small_reserve; /* only for classes up to 256 octets */
    size_t used, peak;    /* octets in use, headers and rounding included */
    uint64_t failures;
    struct slab_head *free[SLAB_NR_CLASSES];
};

/* slab_init - base: 16-aligned. A quarter of len is kept for small objects. */
void slab_init(struct slab *s, void *base, size_t len);
/* slab_alloc - 16-aligned, not zeroed; NULL when there is no room or len is above the largest class. */
void *slab_alloc(struct slab *s, size_t len);
void slab_free(struct slab *s, void *p); /* NULL is allowed */

#endif
