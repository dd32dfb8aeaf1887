/* SPDX-License-Identifier: MIT */
/* heap.h - where newlib's malloc gets its memory: one contiguous range of the direct map that sbrk hands out. */
#ifndef KERNEL_HEAP_H
#define KERNEL_HEAP_H

#include "kernel/types.h"

void heap_init(void *base, uint64_t bytes);
uint64_t heap_used_bytes(void); /* high-water mark of sbrk */
uint64_t heap_total_bytes(void);

#endif
