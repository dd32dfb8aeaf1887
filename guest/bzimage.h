/* SPDX-License-Identifier: MIT */
/* bzimage.h - start a Linux kernel file (bzImage) by its 64-bit boot protocol.
 * - bzimage_parse: is this a kernel we can start, and what does its header ask for?
 * - bzimage_load: kernel, initrd, command line, zero page, page tables and GDT into guest memory; the entry
 * state.
 *
 * Guest memory after bzimage_load (addresses that the kernel's own header does not decide):
 *     0x06000  stack, grows down from 0x07000       0x0e0000  ACPI tables (not from here)
 *     0x07000  zero page (struct boot_params)       0x100000  or higher: the kernel
 *     0x08000  GDT                                  top of low RAM: the initrd
 *     0x09000  PML4, PDPT, 4 page directories: the first 4 GiB one to one in 2 MiB pages
 *     0x20000  command line
 * The memory map given to the kernel: RAM but for [0x9fc00, 0x100000), which is reserved.
 * The file is hostile: each field is checked. Source: Linux, Documentation/arch/x86/boot.rst. Pure. */
#ifndef GUEST_BZIMAGE_H
#define GUEST_BZIMAGE_H

#include "guest/gmem.h"
#include "kernel/result.h"

#define BZIMAGE_STACK_TOP 0x07000u
#define BZIMAGE_ZERO_PAGE 0x07000u
#define BZIMAGE_GDT 0x08000u
#define BZIMAGE_PAGE_TABLES 0x09000u
#define BZIMAGE_CMDLINE 0x20000u
#define BZIMAGE_CMDLINE_MAX 0x10000u
#define BZIMAGE_LOW_RAM_END 0x9fc00u
#define BZIMAGE_HIGH_RAM 0x100000u
#define BZIMAGE_NAME_LEN 80

struct bzimage {
    uint16_t protocol; /* 0x020f = 2.15 */
    bool relocatable;
    uint32_t alignment;    /* of the load address; power of two, at least 1 */
    uint64_t load_address; /* where this loader puts it */
    uint64_t memory_end;   /* end of the memory the kernel needs for itself from there on */
    uint64_t initrd_limit; /* the initrd must end at or below this */
    uint32_t cmdline_size; /* longest command line without its end mark */
    size_t payload_offset; /* protected-mode part in the file */
    size_t payload_len;
    char name[BZIMAGE_NAME_LEN]; /* the kernel's version text, or "" */
};

/* bzimage_parse - file: the whole file. Errors: ERR_INVAL (no bzImage, damaged), ERR_VERSION (protocol below
 * 2.12), ERR_UNSUPP (no 64-bit entry), each with what was found in why. */
result_t bzimage_parse(const uint8_t *file, size_t len, struct bzimage *out, struct reason *why) MUST_CHECK;

struct bzimage_args {
    const uint8_t *kernel;
    size_t kernel_len;
    const uint8_t *initrd; /* or NULL */
    size_t initrd_len;
    const char *cmdline;
    gpa_t acpi_rsdp; /* 0: the kernel searches 0xe0000-0xfffff itself */
};

/* What the vCPU starts with. Long mode is on; interrupts are off (RFLAGS = 2); DS, ES, FS, GS and SS are
 * alike; all other general registers are 0. */
struct boot_entry {
    uint64_t rip, rsp, rsi;
    uint64_t cr0, cr3, cr4, efer;
    uint64_t gdt_base;
    uint16_t gdt_limit;
    uint16_t cs_selector, ds_selector; /* 64-bit code and flat data, present in the GDT */
};

/* bzimage_load - as bzimage_parse, and ERR_NOMEM (guest memory too small: have and need), ERR_RANGE (command
 * line too long). Guest memory is untouched on error. */
result_t bzimage_load(struct gmem *g, const struct bzimage_args *args, struct boot_entry *out,
                      struct reason *why) MUST_CHECK;

#endif
