/* SPDX-License-Identifier: MIT */
/* fuzz_bzimage.c - any octets as a kernel file. First octet: length of the initrd; second: of the command
 * line.
 * A refused file leaves guest memory alone; an accepted one lies in RAM, and nothing overlaps. */
#include <string.h>

#include "guest/boot_params.h"
#include "guest/bzimage.h"
#include "tests/fuzz/fuzz.h"

#define MEMORY (32ul * MIB)

static uint8_t *chunk[MEMORY / LARGE_SIZE];
static uint64_t dirty[MEMORY / PAGE_SIZE / 64];
static struct gmem mem;

static void reset_memory(void) {
    if (chunk[0] == NULL) {
        for (size_t i = 0; i < ARRAY_LEN(chunk); i++)
            chunk[i] = calloc(1, LARGE_SIZE);
        FUZZ_CHECK(gmem_init(&mem, MEMORY, chunk) == OK);
        mem.dirty = dirty;
    }
    memset(dirty, 0, sizeof(dirty));
}

static void check_loaded(const struct bzimage_args *args, const struct boot_entry *e) {
    struct bzimage b;
    struct boot_params p;
    uint64_t end = 0;
    FUZZ_CHECK(bzimage_parse(args->kernel, args->kernel_len, &b, NULL) == OK);
    FUZZ_CHECK(e->rip == b.load_address + 0x200 && b.memory_end <= MEMORY && b.load_address >= MIB);
    FUZZ_CHECK(gmem_read(&mem, e->rsi, &p, sizeof(p)) == OK);
    FUZZ_CHECK(p.hdr.header == BOOT_HEADER_MAGIC && p.sentinel == 0 && p.hdr.setup_data == 0);
    FUZZ_CHECK(p.hdr.ramdisk_size == args->initrd_len);
    if (args->initrd_len > 0) {
        FUZZ_CHECK(p.hdr.ramdisk_image >= b.memory_end && p.hdr.ramdisk_image + args->initrd_len <= MEMORY);
        FUZZ_CHECK(p.hdr.ramdisk_image + args->initrd_len - 1 <= p.hdr.initrd_addr_max);
    }
    for (unsigned i = 0; i < p.e820_entries; i++) {
        FUZZ_CHECK(p.e820_table[i].addr >= end);
        end = p.e820_table[i].addr + p.e820_table[i].size;
    }
    FUZZ_CHECK(end == MEMORY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    char cmdline[257];
    struct boot_entry e;
    struct reason why = {""};
    if (len < 2)
        return 0;
    memset(cmdline, 'x', sizeof(cmdline));
    cmdline[data[1]] = '\0';
    struct bzimage_args args = {.kernel = data + 2, .kernel_len = len - 2, .cmdline = cmdline};
    args.initrd = data;
    args.initrd_len = MIN(data[0], len);
    reset_memory();
    result_t r = bzimage_load(&mem, &args, &e, &why);
    FUZZ_CHECK((r == OK) == (why.text[0] == '\0'));
    if (r == OK)
        check_loaded(&args, &e);
    for (size_t i = 0; r != OK && i < ARRAY_LEN(dirty); i++)
        FUZZ_CHECK(dirty[i] == 0);
    return 0;
}
