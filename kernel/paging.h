/* SPDX-License-Identifier: MIT */
/* paging.h - the hypervisor's own page tables: the loader's, minus its identity map, plus guard pages and MMIO windows.
 * - paging_init: once, early.   - paging_walk: visit every leaf, for the W^X audit and `mem`.
 * Source: SDM Vol. 3A, 4.5 "4-Level Paging and 5-Level Paging". */
#ifndef KERNEL_PAGING_H
#define KERNEL_PAGING_H

#include "kernel/boot_info.h"

struct paging_audit {
    uint64_t leaves;         /* mapped leaves of any size */
    uint64_t write_exec;     /* leaves both writable and executable: must be 0 */
    uint64_t user;           /* leaves open to user mode: must be 0 */
    uint64_t exec_bytes;     /* executable bytes */
    uint64_t table_pages;
};

void paging_init(const struct boot_info *info);
/* paging_map_stack - a fresh stack with an unmapped page below it; bytes: multiple of 4 KiB. Returns its top, 0 when memory
 * ran out. Never unmapped. Context: CPU 0.   paging_is_stack - is va inside such a stack (guard pages are not)? */
uint64_t paging_map_stack(uint64_t bytes);
bool paging_is_stack(uint64_t va);
void paging_audit(struct paging_audit *out);
hpa_t paging_root(void);
/* paging_kernel_pa - physical address of an address in the kernel image. */
hpa_t paging_kernel_pa(const void *va);

#endif
