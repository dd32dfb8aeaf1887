/* SPDX-License-Identifier: MIT */
/* boot_info.h - what the UEFI loader hands to the kernel, in RDI at the entry point, by direct-map address.
 * The loader and the kernel are built together, so there is no version; the magic catches a wrong register. */
#ifndef KERNEL_BOOT_INFO_H
#define KERNEL_BOOT_INFO_H

#include "kernel/types.h"

#define BOOT_INFO_MAGIC 0x5449574447ull /* "GDWIT" */
#define BOOT_MAX_MEM 256
#define BOOT_MAX_FILES 32
#define BOOT_NAME_LEN 64
#define BOOT_MESSAGE_LEN 240

enum boot_mem_type {
    BOOT_MEM_USABLE = 1, /* free for the kernel's frame allocator */
    BOOT_MEM_KERNEL,     /* kernel image, page tables, this structure, boot files */
    BOOT_MEM_FIRMWARE,   /* ACPI tables, runtime services, reserved */
};

struct boot_mem {
    hpa_t start, end; /* [start, end), 4 KiB aligned */
    uint64_t type;    /* enum boot_mem_type */
};

struct boot_file {
    char name[BOOT_NAME_LEN]; /* name in \godwit\, lower case as the configuration spells it */
    hpa_t pa;                 /* 4 KiB aligned, contiguous */
    uint64_t size;
};

struct boot_info {
    uint64_t magic;
    uint64_t nr_mem;
    struct boot_mem mem[BOOT_MAX_MEM]; /* ascending, no overlap */
    uint64_t nr_files;
    struct boot_file files[BOOT_MAX_FILES]; /* the configuration is "godwit.cfg" when it was found */
    hpa_t rsdp;                             /* 0: none */
    hpa_t kernel_pa;                        /* load address of the kernel image */
    uint64_t kernel_size;
    hpa_t pml4;              /* the loader's page tables, which the kernel goes on with */
    hpa_t direct_map_end;    /* RAM below this is in the direct map */
    uint64_t wall_seconds;   /* UTC seconds since 1970 read from the firmware, 0 = unknown */
    uint64_t wall_tsc;       /* TSC when wall_seconds was read */
    uint64_t handover_tsc;   /* TSC right after ExitBootServices */
    uint64_t entropy_bytes;  /* valid octets in entropy[] */
    uint8_t entropy[64];     /* from EFI_RNG_PROTOCOL when there is one */
    char message[BOOT_MESSAGE_LEN]; /* first problem that the loader met, or "" */
};

#endif
