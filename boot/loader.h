/* SPDX-License-Identifier: MIT */
/* loader.h - the parts of the UEFI loader (not linked into the kernel).
 * - loader.c: the story, memory map.  - loader_files.c: \godwit\ on the ESP.  - loader_kernel.c: ELF, page tables, jump. */
#ifndef BOOT_LOADER_H
#define BOOT_LOADER_H

#include "kernel/boot_info.h"

extern void *loader_image; /* EFI handle of this application */

/* loader_alloc_pages - zeroed, page-aligned EfiLoaderData that the kernel keeps; NULL when there is none. */
void *loader_alloc_pages(uint64_t bytes);

/* files_load - read godwit.cfg and every file it names (`key = value` lines with key kernel or initrd) into info->files.
 * Problems go to info->message; nothing is fatal. */
void files_load(struct boot_info *info);

/* kernel_place - load the embedded kernel's segments and build its page tables. Returns the entry point; dies with a line. */
uint64_t kernel_place(struct boot_info *info);
/* kernel_enter - after ExitBootServices: paging bits, page tables, stack, jump. */
void kernel_enter(struct boot_info *info, uint64_t entry) __attribute__((noreturn));

#endif
