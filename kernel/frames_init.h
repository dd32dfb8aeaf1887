/* SPDX-License-Identifier: MIT */
/* frames_init.h - filling the frame allocator at boot (memory.c).
 * - frames_table_bytes: size of its table for RAM up to ram_end.  - frames_init: all frames taken.
 * - frames_add: free RAM; ranges may overlap. Before the first allocation. */
#ifndef KERNEL_FRAMES_INIT_H
#define KERNEL_FRAMES_INIT_H

#include "kernel/frames.h"

uint64_t frames_table_bytes(hpa_t ram_end);
void frames_init(void *table, hpa_t ram_end);
void frames_add(hpa_t start, hpa_t end);

#endif
