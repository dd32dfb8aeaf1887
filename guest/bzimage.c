/* SPDX-License-Identifier: MIT */
#include "guest/bzimage.h"

#include <string.h>

#include "guest/boot_params.h"

#define PREF_ADDRESS_MAX GMEM_LOW_MAX /* kernels load into low RAM */

/* What is this file, when it is not a bzImage? For the operator who named the wrong one. */
static const char *describe(const uint8_t *file, size_t len) {
    static const struct {
        const char *magic;
        size_t len;
        const char *what;
    } known[] = {
        {"\x7f"
         "ELF",
         4, "an ELF file (vmlinux? use the vmlinuz of /boot)"},
        {"\x1f\x8b", 2, "a gzip file (unpack it first)"},
        {"\xfd"
         "7zXZ",
         5, "an xz file (unpack it first)"},
        {"\x28\xb5\x2f\xfd", 4, "a zstd file (unpack it first)"},
        {"070701", 6, "a cpio archive (an initrd?)"},
        {"MZ", 2, "an EFI or DOS program without a Linux header"},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (len >= known[i].len && memcmp(file, known[i].magic, known[i].len) == 0)
            return known[i].what;
    }
    return "data without a Linux header";
}

/* Copies the version text, whose place the header tells. */
static void read_name(const uint8_t *file, size_t setup_bytes, uint16_t offset, char *name) {
    size_t pos = (size_t)offset + 0x200, n = 0;
    if (offset != 0) {
        while (n + 1 < BZIMAGE_NAME_LEN && pos < setup_bytes && file[pos] >= 0x20 && file[pos] < 0x7f)
            name[n++] = (char)file[pos++];
    }
    name[n] = '\0';
}

static result_t check_magic(const uint8_t *file, size_t len, struct setup_header *h, struct reason *why) {
    if (len == 0)
        return reason_set(why, ERR_INVAL, "not a bzImage: the file is empty");
    if (len < BOOT_HEADER_MIN_END) {
        bool linux_start = len >= 0x206 && memcmp(file + 0x202, "HdrS", 4) == 0;
        return reason_set(why, ERR_INVAL, "%s: found %zu octets, the header alone has %u",
                          linux_start ? "the bzImage is cut short" : "not a bzImage", len,
                          BOOT_HEADER_MIN_END);
    }
    memset(h, 0, sizeof(*h));
    memcpy(h, file + BOOT_HEADER_START, MIN(sizeof(*h), len - BOOT_HEADER_START));
    if (h->boot_flag != BOOT_FLAG_MAGIC || h->header != BOOT_HEADER_MAGIC)
        return reason_set(why, ERR_INVAL, "not a bzImage: found %s", describe(file, len));
    if (h->version < BOOT_PROTOCOL_2_12)
        return reason_set(why, ERR_VERSION,
                          "the kernel speaks boot protocol %u.%02u; 2.12 or later is needed (Linux 3.8)",
                          h->version >> 8, h->version & 0xff);
    if ((h->xloadflags & BOOT_XLF_KERNEL_64) == 0 || (h->loadflags & BOOT_LOADFLAGS_LOADED_HIGH) == 0)
        return reason_set(why, ERR_UNSUPP,
                          "the kernel has no 64-bit entry (xloadflags 0x%x); use an x86-64 kernel",
                          h->xloadflags);
    return OK;
}

/* Where the parts are in the file, and is all of it there? */
static result_t check_parts(const struct setup_header *h, size_t len, struct bzimage *b, struct reason *why) {
    uint64_t sectors = h->setup_sects == 0 ? 4 : h->setup_sects;
    uint64_t setup = (sectors + 1) * BOOT_SECTOR_BYTES;
    uint64_t payload = (uint64_t)h->syssize * 16;
    if (len < setup + payload)
        return reason_set(why, ERR_INVAL,
                          "the bzImage is cut short: have %zu octets, need %llu; copy it again", len,
                          (unsigned long long)(setup + payload));
    if (payload == 0)
        payload = len - setup;
    if (payload <= BOOT_ENTRY64_OFFSET)
        return reason_set(why, ERR_INVAL,
                          "the bzImage has %llu octets of kernel; its 64-bit entry alone lies at %u",
                          (unsigned long long)payload, BOOT_ENTRY64_OFFSET);
    b->payload_offset = setup;
    b->payload_len = payload;
    return OK;
}

/* The addresses. A relocatable kernel below its preferred address would only move itself there, so it is
 * loaded at it; one that is not relocatable is loaded at 1 MiB and runs at its preferred address. */
static result_t check_addresses(const struct setup_header *h, struct bzimage *b, struct reason *why) {
    uint64_t pref = MAX(h->pref_address, BZIMAGE_HIGH_RAM);
    uint64_t needed = MAX((uint64_t)h->init_size, b->payload_len);
    b->relocatable = h->relocatable_kernel != 0;
    b->alignment = h->kernel_alignment == 0 ? 1 : h->kernel_alignment;
    if ((b->alignment & (b->alignment - 1)) != 0)
        return reason_set(why, ERR_INVAL, "the bzImage is damaged: its alignment 0x%x is not a power of two",
                          b->alignment);
    if (pref > PREF_ADDRESS_MAX)
        return reason_set(why, ERR_UNSUPP,
                          "the kernel wants to load at 0x%llx; addresses up to 0x%llx are possible",
                          (unsigned long long)pref, (unsigned long long)PREF_ADDRESS_MAX);
    uint64_t run_address = b->relocatable ? ALIGN_UP(pref, (uint64_t)b->alignment) : pref;
    b->load_address = b->relocatable ? run_address : BZIMAGE_HIGH_RAM;
    b->memory_end = MAX(run_address + needed, b->load_address + b->payload_len);
    b->initrd_limit = (uint64_t)h->initrd_addr_max + 1;
    return OK;
}

result_t bzimage_parse(const uint8_t *file, size_t len, struct bzimage *out, struct reason *why) {
    struct setup_header h;
    struct bzimage b = {0};
    result_t r = check_magic(file, len, &h, why);
    if (r == OK)
        r = check_parts(&h, len, &b, why);
    if (r == OK)
        r = check_addresses(&h, &b, why);
    if (r != OK)
        return r;
    b.protocol = h.version;
    b.cmdline_size = MIN(h.cmdline_size, BZIMAGE_CMDLINE_MAX - 1);
    read_name(file, b.payload_offset, h.kernel_version, b.name);
    *out = b;
    return OK;
}
