/* SPDX-License-Identifier: MIT */
/* boot_params.h - the x86 Linux boot protocol's structures: the setup header inside a bzImage, the e820 map,
 * and the "zero page" that a 64-bit kernel finds through RSI. Constants and layouts only.
 * Source: Linux, Documentation/arch/x86/boot.rst "The Linux/x86 Boot Protocol" and zero-page.rst "Zero Page".
 * */
#ifndef GUEST_BOOT_PARAMS_H
#define GUEST_BOOT_PARAMS_H

#include "kernel/types.h"

#define BOOT_FLAG_MAGIC 0xaa55u
#define BOOT_HEADER_MAGIC 0x53726448u /* "HdrS" */
#define BOOT_PROTOCOL_2_12 0x020cu    /* the first one with xloadflags */
#define BOOT_SECTOR_BYTES 512u
#define BOOT_ENTRY64_OFFSET 0x200u /* of the 64-bit entry, from the load address */
#define BOOT_LOADER_UNDEFINED 0xffu
#define BOOT_VID_MODE_NORMAL 0xffffu

#define BOOT_LOADFLAGS_LOADED_HIGH 0x01u /* the protected-mode part loads at 1 MiB or above */
#define BOOT_XLF_KERNEL_64 0x0001u       /* has the 64-bit entry */

/* Selectors that the kernel's early code expects. */
#define BOOT_CS 0x10u
#define BOOT_DS 0x18u

struct setup_header {             /* offset in the file and in the zero page */
    uint8_t setup_sects;          /* 0x1f1 512-octet sectors of real-mode code behind the first; 0 means 4 */
    uint16_t root_flags;          /* 0x1f2 */
    uint32_t syssize;             /* 0x1f4 protected-mode code, in 16-octet units */
    uint16_t ram_size;            /* 0x1f8 */
    uint16_t vid_mode;            /* 0x1fa */
    uint16_t root_dev;            /* 0x1fc */
    uint16_t boot_flag;           /* 0x1fe BOOT_FLAG_MAGIC */
    uint8_t jump_opcode;          /* 0x200 */
    uint8_t jump_offset;          /* 0x201 the header ends at 0x202 + this */
    uint32_t header;              /* 0x202 BOOT_HEADER_MAGIC */
    uint16_t version;             /* 0x206 protocol, 0x020f = 2.15 */
    uint32_t realmode_swtch;      /* 0x208 */
    uint16_t start_sys_seg;       /* 0x20c */
    uint16_t kernel_version;      /* 0x20e offset of the version text, less 0x200 */
    uint8_t type_of_loader;       /* 0x210 */
    uint8_t loadflags;            /* 0x211 */
    uint16_t setup_move_size;     /* 0x212 */
    uint32_t code32_start;        /* 0x214 load address */
    uint32_t ramdisk_image;       /* 0x218 */
    uint32_t ramdisk_size;        /* 0x21c */
    uint32_t bootsect_kludge;     /* 0x220 */
    uint16_t heap_end_ptr;        /* 0x224 */
    uint8_t ext_loader_ver;       /* 0x226 */
    uint8_t ext_loader_type;      /* 0x227 */
    uint32_t cmd_line_ptr;        /* 0x228 */
    uint32_t initrd_addr_max;     /* 0x22c highest address that the initrd may occupy */
    uint32_t kernel_alignment;    /* 0x230 power of two */
    uint8_t relocatable_kernel;   /* 0x234 */
    uint8_t min_alignment;        /* 0x235 */
    uint16_t xloadflags;          /* 0x236 */
    uint32_t cmdline_size;        /* 0x238 longest command line without its end mark */
    uint32_t hardware_subarch;    /* 0x23c */
    uint64_t hardware_subarch_data; /* 0x240 */
    uint32_t payload_offset;      /* 0x248 */
    uint32_t payload_length;      /* 0x24c */
    uint64_t setup_data;          /* 0x250 */
    uint64_t pref_address;        /* 0x258 preferred load address */
    uint32_t init_size;           /* 0x260 memory needed from the run-time start address */
    uint32_t handover_offset;     /* 0x264 */
    uint32_t kernel_info_offset;  /* 0x268 */
} PACKED;

#define BOOT_HEADER_START 0x1f1u
#define BOOT_HEADER_MIN_END 0x268u /* what 2.12 defines */
#define BOOT_HEADER_MAX_END 0x290u /* the zero page has other fields from here on */

_Static_assert(offsetof(struct setup_header, boot_flag) + BOOT_HEADER_START == 0x1fe, "boot_flag");
_Static_assert(offsetof(struct setup_header, header) + BOOT_HEADER_START == 0x202, "header");
_Static_assert(offsetof(struct setup_header, code32_start) + BOOT_HEADER_START == 0x214, "code32_start");
_Static_assert(offsetof(struct setup_header, cmd_line_ptr) + BOOT_HEADER_START == 0x228, "cmd_line_ptr");
_Static_assert(offsetof(struct setup_header, xloadflags) + BOOT_HEADER_START == 0x236, "xloadflags");
_Static_assert(offsetof(struct setup_header, pref_address) + BOOT_HEADER_START == 0x258, "pref_address");
_Static_assert(sizeof(struct setup_header) + BOOT_HEADER_START == 0x26c, "setup_header");

enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };

struct e820_entry {
    uint64_t addr; /* 0 */
    uint64_t size; /* 8 */
    uint32_t type; /* 16 */
} PACKED;
_Static_assert(sizeof(struct e820_entry) == 20, "e820_entry");

#define BOOT_E820_MAX 128

struct boot_params {
    uint8_t rsvd0[0x70];         /* 0x000 screen, APM, drives: not set */
    uint64_t acpi_rsdp_addr;     /* 0x070 */
    uint8_t rsvd1[0x48];         /* 0x078 */
    uint32_t ext_ramdisk_image;  /* 0x0c0 high halves, not used: all is below 4 GiB */
    uint32_t ext_ramdisk_size;   /* 0x0c4 */
    uint32_t ext_cmd_line_ptr;   /* 0x0c8 */
    uint8_t rsvd2[0x11c];        /* 0x0cc */
    uint8_t e820_entries;        /* 0x1e8 */
    uint8_t rsvd3[6];            /* 0x1e9 */
    uint8_t sentinel;            /* 0x1ef 0: the loader filled this page in properly */
    uint8_t rsvd4;               /* 0x1f0 */
    struct setup_header hdr;     /* 0x1f1 */
    uint8_t hdr_rest[0x24];      /* 0x26c later versions' header fields */
    uint8_t rsvd5[0x40];         /* 0x290 */
    struct e820_entry e820_table[BOOT_E820_MAX]; /* 0x2d0 */
    uint8_t rsvd6[0x330];        /* 0xcd0 */
} PACKED;

_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "acpi_rsdp_addr");
_Static_assert(offsetof(struct boot_params, ext_ramdisk_image) == 0xc0, "ext_ramdisk_image");
_Static_assert(offsetof(struct boot_params, e820_entries) == 0x1e8, "e820_entries");
_Static_assert(offsetof(struct boot_params, sentinel) == 0x1ef, "sentinel");
_Static_assert(offsetof(struct boot_params, hdr) == BOOT_HEADER_START, "hdr");
_Static_assert(offsetof(struct boot_params, rsvd5) == BOOT_HEADER_MAX_END, "hdr_rest");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "e820_table");
_Static_assert(sizeof(struct boot_params) == 4096, "boot_params");

#endif
