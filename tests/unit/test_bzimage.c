/* SPDX-License-Identifier: MIT */
/* test_bzimage.c - the bzImage loader: what it accepts, what it refuses and why, and where everything lands.
 * */
#include "guest/bzimage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest/boot_params.h"

#define SETUP_BYTES 1536u /* two sectors behind the first */
#define PAYLOAD_BYTES 8192u

static struct gmem mem;
static struct reason why;
static uint8_t *file; /* a block of exactly its length */
static size_t file_len;

static struct setup_header *header(void) {
    return (struct setup_header *)(void *)(file + BOOT_HEADER_START);
}

/* A kernel like Linux 6.1: relocatable, 16 MiB preferred. */
static void make_kernel(void) {
    free(file);
    file_len = SETUP_BYTES + PAYLOAD_BYTES;
    file = calloc(1, file_len);
    assert_non_null(file);
    *header() = (struct setup_header){
        .setup_sects = 2,
        .syssize = PAYLOAD_BYTES / 16,
        .boot_flag = BOOT_FLAG_MAGIC,
        .jump_opcode = 0xeb,
        .jump_offset = 0x6a,
        .header = BOOT_HEADER_MAGIC,
        .version = 0x20f,
        .kernel_version = 0x300,
        .loadflags = BOOT_LOADFLAGS_LOADED_HIGH,
        .initrd_addr_max = 0x7fffffff,
        .kernel_alignment = 0x200000,
        .relocatable_kernel = 1,
        .xloadflags = 0x7f,
        .cmdline_size = 2047,
        .pref_address = 0x1000000,
        .init_size = 0x800000,
        .setup_data = 0x1234, /* the loader must clear it */
    };
    strcpy((char *)file + 0x500, "6.1.0-cloud (builder) #1");
    for (size_t i = 0; i < PAYLOAD_BYTES; i++)
        file[SETUP_BYTES + i] = (uint8_t)(i * 7 + 1);
}

static void make_memory(uint64_t bytes) {
    static uint8_t *chunk[2048];
    for (size_t i = 0; i < mem.nr_chunks; i++)
        free(chunk[i]);
    free(mem.dirty);
    assert_int_equal(gmem_init(&mem, bytes, chunk), OK);
    for (size_t i = 0; i < mem.nr_chunks; i++)
        chunk[i] = calloc(1, LARGE_SIZE);
    mem.dirty = calloc(mem.nr_pages / 64, 8);
}

static int setup(void **state) {
    (void)state;
    make_kernel();
    make_memory(64 * MIB);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (size_t i = 0; i < mem.nr_chunks; i++)
        free(mem.chunk[i]);
    free(mem.dirty);
    free(file);
    file = NULL;
    memset(&mem, 0, sizeof(mem));
    return 0;
}

static result_t load(const uint8_t *initrd, size_t initrd_len, const char *cmdline, struct boot_entry *e) {
    struct bzimage_args args = {file, file_len, initrd, initrd_len, cmdline, 0xe0000};
    memset(&why, 0, sizeof(why));
    return bzimage_load(&mem, &args, e, &why);
}

static void assert_refused(result_t code, const char *expected) {
    struct boot_entry e = {.rip = 42};
    assert_int_equal(load(NULL, 0, "", &e), code);
    assert_string_equal(why.text, expected);
    assert_int_equal(e.rip, 42);
    for (size_t i = 0; i < mem.nr_pages / 64; i++)
        assert_int_equal(mem.dirty[i], 0); /* guest memory untouched */
}

static void test_bzimage_parse(void **state) {
    (void)state;
    struct bzimage b;
    assert_int_equal(bzimage_parse(file, file_len, &b, &why), OK);
    assert_int_equal(b.protocol, 0x20f);
    assert_int_equal(b.load_address, 0x1000000);
    assert_int_equal(b.memory_end, 0x1800000);
    assert_int_equal(b.payload_offset, SETUP_BYTES);
    assert_int_equal(b.payload_len, PAYLOAD_BYTES);
    assert_int_equal(b.initrd_limit, 0x80000000);
    assert_string_equal(b.name, "6.1.0-cloud (builder) #1");
}

static uint64_t read64(gpa_t at) {
    uint64_t v;
    assert_int_equal(gmem_read(&mem, at, &v, sizeof(v)), OK);
    return v;
}

/* Walks the page tables that the entry's CR3 names. */
static gpa_t translate(const struct boot_entry *e, uint64_t va) {
    uint64_t pml4e = read64(e->cr3 + 8 * (va >> 39));
    assert_int_equal(pml4e & 3, 3);
    uint64_t pdpte = read64((pml4e & ~0xfffull) + 8 * (va >> 30 & 511));
    assert_int_equal(pdpte & 3, 3);
    uint64_t pde = read64((pdpte & ~0xfffull) + 8 * (va >> 21 & 511));
    assert_int_equal(pde & 0x83, 0x83);
    return (pde & ~(LARGE_SIZE - 1)) + (va & (LARGE_SIZE - 1));
}

static void test_bzimage_entry_state(void **state) {
    (void)state;
    struct boot_entry e;
    assert_int_equal(load(NULL, 0, "quiet", &e), OK);
    assert_int_equal(e.rip, 0x1000200);
    assert_int_equal(e.cr0 & 0x80000001, 0x80000001);
    assert_int_equal(e.cr4 & 0x20, 0x20);
    assert_int_equal(e.efer, 0x500);
    static const uint64_t probes[] = {0, 0x7000, 0x100000, 0x1000200, 0x7fffffff, 0xfee00000, 0xffffffff};
    for (size_t i = 0; i < ARRAY_LEN(probes); i++)
        assert_int_equal(translate(&e, probes[i]), probes[i]);
    uint64_t cs = read64(e.gdt_base + e.cs_selector), ds = read64(e.gdt_base + e.ds_selector);
    assert_int_equal(cs >> 40 & 0x9e, 0x9a); /* present, code, readable */
    assert_int_equal(cs >> 53 & 3, 1);       /* L, not D */
    assert_int_equal(ds >> 40 & 0x9e, 0x92); /* present, data, writable */
    assert_true(e.gdt_limit >= e.ds_selector + 7);
    assert_true(e.rsp % 16 == 0 && e.rsp <= BZIMAGE_LOW_RAM_END);
}

static void test_bzimage_places_kernel(void **state) {
    (void)state;
    struct boot_entry e;
    uint8_t copy[PAYLOAD_BYTES];
    assert_int_equal(load(NULL, 0, "", &e), OK);
    assert_int_equal(gmem_read(&mem, 0x1000000, copy, sizeof(copy)), OK);
    assert_memory_equal(copy, file + SETUP_BYTES, sizeof(copy));
}

static void test_bzimage_zero_page(void **state) {
    (void)state;
    struct boot_entry e;
    struct boot_params p;
    char cmdline[32];
    uint8_t initrd[5000], copy[5000];
    memset(initrd, 0xab, sizeof(initrd));
    make_memory(4 * MIB);
    header()->pref_address = 0x100000;
    header()->init_size = 0x10000;
    assert_int_equal(load(initrd, sizeof(initrd), "console=ttyS0", &e), OK);
    assert_int_equal(gmem_read(&mem, e.rsi, &p, sizeof(p)), OK);
    assert_int_equal(p.hdr.header, BOOT_HEADER_MAGIC);
    assert_int_equal(p.hdr.type_of_loader, 0xff);
    assert_int_equal(p.hdr.setup_data, 0);
    assert_int_equal(p.hdr.init_size, 0x10000);
    assert_int_equal(p.hdr.code32_start, e.rip - 0x200);
    assert_int_equal(p.sentinel, 0);
    assert_int_equal(p.acpi_rsdp_addr, 0xe0000);
    assert_int_equal(p.hdr.ramdisk_size, sizeof(initrd));
    assert_int_equal(p.hdr.ramdisk_image, 4 * MIB - 8192);
    assert_int_equal(gmem_read(&mem, p.hdr.ramdisk_image, copy, sizeof(copy)), OK);
    assert_memory_equal(copy, initrd, sizeof(copy));
    assert_int_equal(gmem_read(&mem, p.hdr.cmd_line_ptr, cmdline, sizeof(cmdline)), OK);
    assert_string_equal(cmdline, "console=ttyS0");
}

static void check_e820(const struct e820_entry *e, uint64_t addr, uint64_t end, uint32_t type) {
    assert_int_equal(e->addr, addr);
    assert_int_equal(e->addr + e->size, end);
    assert_int_equal(e->type, type);
}

/* The map covers RAM exactly, with the hole, for small and for large machines. */
static void test_bzimage_memory_map(void **state) {
    (void)state;
    struct boot_entry e;
    struct boot_params p;
    assert_int_equal(load(NULL, 0, "", &e), OK);
    assert_int_equal(gmem_read(&mem, e.rsi, &p, sizeof(p)), OK);
    assert_int_equal(p.e820_entries, 3);
    check_e820(&p.e820_table[0], 0, 0x9fc00, E820_RAM);
    check_e820(&p.e820_table[1], 0x9fc00, 0x100000, E820_RESERVED);
    check_e820(&p.e820_table[2], 0x100000, 64 * MIB, E820_RAM);
    mem.high_bytes = 2 * MIB; /* as if; nothing is written there */
    assert_int_equal(load(NULL, 0, "", &e), OK);
    assert_int_equal(gmem_read(&mem, e.rsi, &p, sizeof(p)), OK);
    assert_int_equal(p.e820_entries, 4);
    check_e820(&p.e820_table[3], 4 * GIB, 4 * GIB + 2 * MIB, E820_RAM);
}

static void test_bzimage_not_relocatable(void **state) {
    (void)state;
    struct boot_entry e;
    struct bzimage b;
    header()->relocatable_kernel = 0;
    header()->pref_address = 0x100000;
    header()->kernel_alignment = 0x1000000; /* has no meaning then */
    assert_int_equal(load(NULL, 0, "", &e), OK);
    assert_int_equal(e.rip, 0x100200);
    header()->pref_address = 0x1000000; /* moves itself there */
    assert_int_equal(bzimage_parse(file, file_len, &b, &why), OK);
    assert_int_equal(b.load_address, 0x100000);
    assert_int_equal(b.memory_end, 0x1800000);
}

static void test_bzimage_initrd_limit(void **state) {
    (void)state;
    struct boot_entry e;
    struct boot_params p;
    static uint8_t initrd[4097];
    header()->initrd_addr_max = 0x2000fff;
    assert_int_equal(load(initrd, sizeof(initrd), "", &e), OK);
    assert_int_equal(gmem_read(&mem, e.rsi, &p, sizeof(p)), OK);
    assert_int_equal(p.hdr.ramdisk_image, 0x1fff000);
    header()->initrd_addr_max = 0x1800fff;
    assert_int_equal(load(initrd, sizeof(initrd), "", &e), ERR_NOMEM);
    assert_string_equal(why.text, "the initrd (4097 octets) does not fit below the kernel's limit 0x1801000");
    header()->initrd_addr_max = 0xffffffff;
    assert_int_equal(load(initrd, sizeof(initrd), "", &e), OK);
    assert_int_equal(gmem_read(&mem, e.rsi, &p, sizeof(p)), OK);
    assert_int_equal(p.hdr.ramdisk_image, 64 * MIB - 8192);
}

static void test_bzimage_memory_too_small(void **state) {
    (void)state;
    make_memory(24 * MIB); /* exactly the kernel's need */
    struct boot_entry e;
    uint8_t initrd[1] = {0};
    assert_int_equal(load(NULL, 0, "", &e), OK);
    assert_int_equal(load(initrd, 1, "", &e), ERR_NOMEM);
    assert_string_equal(
        why.text, "guest memory is too small: have 24 MiB, kernel and initrd need 25 MiB; raise memory =");
    assert_int_equal(load(initrd, SIZE_MAX, "", &e), ERR_NOMEM);
    make_memory(22 * MIB);
    assert_refused(ERR_NOMEM, "guest memory is too small: have 22 MiB, kernel needs 24 MiB; raise memory =");
    header()->init_size = UINT32_MAX;
    assert_refused(ERR_NOMEM,
                   "guest memory is too small: have 22 MiB, kernel needs 4112 MiB; raise memory =");
    header()->pref_address = UINT64_MAX;
    assert_refused(ERR_UNSUPP,
                   "the kernel wants to load at 0xffffffffffffffff; addresses up to 0xc0000000 are possible");
}

static void set_file(const void *data, size_t len) {
    free(file);
    file = malloc(len + (len == 0));
    assert_non_null(file);
    memcpy(file, data, len);
    file_len = len;
}

static void test_bzimage_not_a_kernel(void **state) {
    (void)state;
    uint8_t data[4096] = "\x7f"
                         "ELF";
    set_file(data, 0);
    assert_refused(ERR_INVAL, "not a bzImage: the file is empty");
    set_file(data, 100);
    assert_refused(ERR_INVAL, "not a bzImage: found 100 octets, the header alone has 616");
    set_file(data, sizeof(data));
    assert_refused(ERR_INVAL, "not a bzImage: found an ELF file (vmlinux? use the vmlinuz of /boot)");
    memcpy(data, "0707", 4);
    set_file(data, sizeof(data));
    assert_refused(ERR_INVAL, "not a bzImage: found data without a Linux header");
    make_kernel();
    header()->boot_flag = 0;
    memcpy(file, "MZ", 2);
    assert_refused(ERR_INVAL, "not a bzImage: found an EFI or DOS program without a Linux header");
}

static void test_bzimage_header_refused(void **state) {
    (void)state;
    header()->version = 0x20a;
    assert_refused(ERR_VERSION, "the kernel speaks boot protocol 2.10; 2.12 or later is needed (Linux 3.8)");
    make_kernel();
    header()->xloadflags = 0;
    assert_refused(ERR_UNSUPP, "the kernel has no 64-bit entry (xloadflags 0x0); use an x86-64 kernel");
    make_kernel();
    header()->kernel_alignment = 0x300000;
    assert_refused(ERR_INVAL, "the bzImage is damaged: its alignment 0x300000 is not a power of two");
    make_kernel();
    header()->syssize = 0x20;
    assert_refused(ERR_INVAL, "the bzImage has 512 octets of kernel; its 64-bit entry alone lies at 512");
}

/* Every shorter version of a good file is refused, none read past its end. */
static void test_bzimage_cut_short(void **state) {
    (void)state;
    uint8_t *whole = file;
    size_t len = file_len;
    struct bzimage b;
    file = NULL;
    for (size_t n = 0; n < len; n += n < 700 ? 1 : 97) {
        set_file(whole, n);
        assert_int_equal(bzimage_parse(file, n, &b, &why), ERR_INVAL);
    }
    set_file(whole, len - 1);
    assert_refused(ERR_INVAL, "the bzImage is cut short: have 9727 octets, need 9728; copy it again");
    set_file(whole, 0x210);
    assert_refused(ERR_INVAL, "the bzImage is cut short: found 528 octets, the header alone has 616");
    free(whole);
}

static void test_bzimage_cmdline_limit(void **state) {
    (void)state;
    struct boot_entry e;
    header()->cmdline_size = 10;
    assert_int_equal(load(NULL, 0, "0123456789", &e), OK);
    assert_int_equal(load(NULL, 0, "0123456789a", &e), ERR_RANGE);
    assert_string_equal(why.text, "the command line has 11 characters; this kernel takes at most 10");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bzimage_parse),         TEST(test_bzimage_entry_state),
        TEST(test_bzimage_places_kernel), TEST(test_bzimage_zero_page),
        TEST(test_bzimage_memory_map),    TEST(test_bzimage_not_relocatable),
        TEST(test_bzimage_initrd_limit),  TEST(test_bzimage_memory_too_small),
        TEST(test_bzimage_not_a_kernel),  TEST(test_bzimage_header_refused),
        TEST(test_bzimage_cut_short),     TEST(test_bzimage_cmdline_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
