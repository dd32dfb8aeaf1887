/* SPDX-License-Identifier: MIT */
/* bzimage_load.c - places a parsed bzImage and what belongs to it in guest memory. */
#include <string.h>

#include "guest/boot_params.h"
#include "guest/bzimage.h"
#include "kernel/hw/msr_regs.h"

#define PTE_P 0x01ull
#define PTE_W 0x02ull
#define PTE_PS 0x80ull
#define PAGE_ENTRIES 512u
#define MAPPED_GIB 4u /* everything that the entry needs lies below 4 GiB */

#define CR0_PE 0x00000001u
#define CR0_ET 0x00000010u
#define CR0_NE 0x00000020u
#define CR0_PG 0x80000000u
#define CR4_PAE 0x20u

static const uint64_t gdt[] = {
    0, 0, 0x00af9b000000ffff, /* BOOT_CS: 64-bit code, present, accessed */
    0x00cf93000000ffff,       /* BOOT_DS: flat data, writable, accessed */
};

_Static_assert(BZIMAGE_PAGE_TABLES + (2 + MAPPED_GIB) * PAGE_SIZE <= BZIMAGE_CMDLINE,
               "page tables end before the command line");
_Static_assert(BZIMAGE_CMDLINE + BZIMAGE_CMDLINE_MAX <= BZIMAGE_LOW_RAM_END, "command line is in low RAM");

/* Where the initrd goes: as high as possible, page aligned. */
static result_t place_initrd(const struct gmem *g, const struct bzimage *b, size_t len, gpa_t *start,
                             struct reason *why) {
    len = MIN(len, GMEM_LOW_MAX + 1); /* more never fits */
    uint64_t top = ALIGN_DOWN(MIN(g->low_bytes, b->initrd_limit), PAGE_SIZE);
    uint64_t size = ALIGN_UP((uint64_t)len, PAGE_SIZE);
    *start = top - size;
    if (top >= size && *start >= b->memory_end)
        return OK;
    uint64_t need = (ALIGN_UP(b->memory_end, PAGE_SIZE) + size + MIB - 1) / MIB;
    if (b->initrd_limit < g->low_bytes && need * MIB <= g->low_bytes)
        return reason_set(why, ERR_NOMEM,
                          "the initrd (%zu octets) does not fit below the kernel's limit 0x%llx", len,
                          (unsigned long long)b->initrd_limit);
    return reason_set(why, ERR_NOMEM,
                      "guest memory is too small: have %llu MiB, kernel%s %llu MiB; raise memory =",
                      (unsigned long long)(g->low_bytes / MIB), len > 0 ? " and initrd need" : " needs",
                      (unsigned long long)need);
}

static result_t check_cmdline(const struct bzimage *b, const char *cmdline, struct reason *why) {
    size_t len = strlen(cmdline);
    if (len <= b->cmdline_size)
        return OK;
    return reason_set(why, ERR_RANGE, "the command line has %zu characters; this kernel takes at most %u",
                      len, b->cmdline_size);
}

static void add_e820(struct boot_params *p, uint64_t start, uint64_t end, enum e820_type type) {
    if (start < end)
        p->e820_table[p->e820_entries++] =
            (struct e820_entry){.addr = start, .size = end - start, .type = type};
}

static void fill_memory_map(struct boot_params *p, const struct gmem *g) {
    add_e820(p, 0, BZIMAGE_LOW_RAM_END, E820_RAM);
    add_e820(p, BZIMAGE_LOW_RAM_END, BZIMAGE_HIGH_RAM, E820_RESERVED);
    add_e820(p, BZIMAGE_HIGH_RAM, g->low_bytes, E820_RAM);
    add_e820(p, GMEM_HIGH_START, GMEM_HIGH_START + g->high_bytes, E820_RAM);
}

static result_t write_zero_page(struct gmem *g, const struct bzimage_args *a, const struct bzimage *b,
                                gpa_t initrd) {
    struct boot_params p;
    memset(&p, 0, sizeof(p));
    size_t header_end = MAX(0x202u + a->kernel[0x201], BOOT_HEADER_MIN_END);
    header_end = MIN(header_end, BOOT_HEADER_MAX_END); /* inside the file: the kernel's code follows it */
    memcpy(&p.hdr, a->kernel + BOOT_HEADER_START, header_end - BOOT_HEADER_START);
    p.acpi_rsdp_addr = a->acpi_rsdp;
    p.hdr.type_of_loader = BOOT_LOADER_UNDEFINED;
    p.hdr.vid_mode = BOOT_VID_MODE_NORMAL;
    p.hdr.setup_data = 0;
    p.hdr.code32_start = (uint32_t)b->load_address;
    p.hdr.ramdisk_image = a->initrd_len > 0 ? (uint32_t)initrd : 0;
    p.hdr.ramdisk_size = (uint32_t)a->initrd_len;
    p.hdr.cmd_line_ptr = BZIMAGE_CMDLINE;
    fill_memory_map(&p, g);
    return gmem_write(g, BZIMAGE_ZERO_PAGE, &p, sizeof(p));
}

/* One to one in 2 MiB pages: PML4, PDPT and the directories follow each other. */
static result_t write_page_tables(struct gmem *g) {
    uint64_t table[PAGE_ENTRIES] = {0};
    gpa_t pml4 = BZIMAGE_PAGE_TABLES, pdpt = pml4 + PAGE_SIZE, pd = pdpt + PAGE_SIZE;
    table[0] = pdpt | PTE_P | PTE_W;
    result_t r = gmem_write(g, pml4, table, sizeof(table));
    for (unsigned i = 0; i < MAPPED_GIB; i++)
        table[i] = (pd + i * PAGE_SIZE) | PTE_P | PTE_W;
    if (r == OK)
        r = gmem_write(g, pdpt, table, sizeof(table));
    for (unsigned i = 0; i < MAPPED_GIB && r == OK; i++) {
        for (unsigned j = 0; j < PAGE_ENTRIES; j++)
            table[j] = (i * HUGE_SIZE + j * LARGE_SIZE) | PTE_P | PTE_W | PTE_PS;
        r = gmem_write(g, pd + i * PAGE_SIZE, table, sizeof(table));
    }
    return r;
}

/* All checks have passed: these writes are inside RAM. */
static result_t write_all(struct gmem *g, const struct bzimage_args *a, const struct bzimage *b,
                          gpa_t initrd) {
    result_t r = gmem_write(g, b->load_address, a->kernel + b->payload_offset, b->payload_len);
    if (r == OK && a->initrd_len > 0)
        r = gmem_write(g, initrd, a->initrd, a->initrd_len);
    if (r == OK)
        r = gmem_write(g, BZIMAGE_CMDLINE, a->cmdline, strlen(a->cmdline) + 1);
    if (r == OK)
        r = gmem_write(g, BZIMAGE_GDT, gdt, sizeof(gdt));
    if (r == OK)
        r = write_page_tables(g);
    return r == OK ? write_zero_page(g, a, b, initrd) : r;
}

result_t bzimage_load(struct gmem *g, const struct bzimage_args *args, struct boot_entry *out,
                      struct reason *why) {
    struct bzimage b;
    gpa_t initrd = 0;
    result_t r = bzimage_parse(args->kernel, args->kernel_len, &b, why);
    if (r == OK)
        r = check_cmdline(&b, args->cmdline, why);
    if (r == OK)
        r = place_initrd(g, &b, args->initrd_len, &initrd, why);
    if (r == OK)
        r = write_all(g, args, &b, initrd);
    if (r != OK)
        return r;
    *out = (struct boot_entry){
        .rip = b.load_address + BOOT_ENTRY64_OFFSET,
        .rsp = BZIMAGE_STACK_TOP,
        .rsi = BZIMAGE_ZERO_PAGE,
        .cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE,
        .cr3 = BZIMAGE_PAGE_TABLES,
        .cr4 = CR4_PAE,
        .efer = EFER_LME | EFER_LMA,
        .gdt_base = BZIMAGE_GDT,
        .gdt_limit = sizeof(gdt) - 1,
        .cs_selector = BOOT_CS,
        .ds_selector = BOOT_DS,
    };
    return OK;
}
