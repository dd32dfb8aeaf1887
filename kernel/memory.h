/* SPDX-License-Identifier: MIT */
/* memory.h - physical memory at boot: which RAM is the heap's, which the frame allocator's.
 * - memory_init: from boot_info; drops the loader's identity map and puts guard pages under the stacks.
 * - memory_own_bytes: what Godwit itself occupies (image, heap in use, tables), for `mem` and the size limits. */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include "kernel/boot_info.h"

void memory_init(const struct boot_info *info);
uint64_t memory_own_bytes(void);

#endif
