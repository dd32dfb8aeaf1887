/* SPDX-License-Identifier: MIT */
#include "guest/gwalk.h"

#include <string.h>

#include "kernel/hw/msr_regs.h"

#define CR0_PG 0x80000000u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define CR4_LA57 0x1000u
#define PTE_P 0x01u
#define PTE_PS 0x80u
#define PTE_ADDR 0x000ffffffffff000ull

#define INLINE static inline __attribute__((always_inline)) /* each MMIO access walks: no calls on that way */

/* The host's view of an address in RAM, NULL if it is none. Valid up to the end of the page. */
INLINE const uint8_t *ram(const struct gmem *g, gpa_t gpa) {
    uint64_t dense = gpa; /* RAM's octets numbered without the hole */
    if (__builtin_expect(gpa >= g->low_bytes, 0)) {
        if (gpa - GMEM_HIGH_START >= g->high_bytes) /* wraps to a huge number in the hole */
            return NULL;
        dense = gpa - GMEM_HIGH_START + g->low_bytes;
    }
    return g->chunk[dense >> LARGE_SHIFT] + (dense & (LARGE_SIZE - 1));
}

/* The 8-octet entry at an address, 0 if that is not in RAM. Entries are aligned: none crosses a page. */
INLINE uint64_t read_entry(const struct gmem *g, gpa_t at) {
    uint64_t entry;
    const uint8_t *p = ram(g, at);
    if (p == NULL)
        return 0;
    memcpy(&entry, p, sizeof(entry));
    return entry;
}

/* Why an entry is not there. */
static result_t absent(const struct gmem *g, gpa_t at) {
    return ram(g, at) == NULL ? fail(ERR_RANGE) : fail(ERR_NOENT);
}

/* Entry of the table at `table` for the level that translates from bit `shift` up. */
INLINE gpa_t entry_address(gpa_t table, uint64_t linear, unsigned shift) {
    return (table & PTE_ADDR) + (linear >> (shift - 3) & 0xff8);
}

INLINE gpa_t leaf(uint64_t entry, uint64_t linear, unsigned shift) {
    uint64_t offset_mask = BIT(shift) - 1;
    return (entry & PTE_ADDR & ~offset_mask) | (linear & offset_mask);
}

/* From the page directory down: long mode and PAE share this. */
INLINE result_t walk_directory(const struct gmem *g, gpa_t table, uint64_t linear, gpa_t *out) {
    gpa_t at = entry_address(table, linear, 21);
    uint64_t entry = read_entry(g, at);
    if ((entry & PTE_P) == 0)
        return absent(g, at);
    if ((entry & PTE_PS) != 0) {
        *out = leaf(entry, linear, 21);
        return OK;
    }
    at = entry_address(entry, linear, 12);
    entry = read_entry(g, at);
    if ((entry & PTE_P) == 0)
        return absent(g, at);
    *out = leaf(entry, linear, 12);
    return OK;
}

/* Bits 63 down to the highest translated one are alike. */
INLINE bool is_canonical(uint64_t linear, unsigned bits) {
    return (uint64_t)((int64_t)(linear << (64 - bits)) >> (64 - bits)) == linear;
}

INLINE result_t walk_pml4(const struct gmem *g, gpa_t table, uint64_t linear, gpa_t *out) {
    gpa_t at = entry_address(table, linear, 39);
    uint64_t entry = read_entry(g, at);
    if ((entry & PTE_P) == 0)
        return absent(g, at);
    at = entry_address(entry, linear, 30);
    entry = read_entry(g, at);
    if ((entry & PTE_P) == 0)
        return absent(g, at);
    if ((entry & PTE_PS) == 0)
        return walk_directory(g, entry, linear, out);
    *out = leaf(entry, linear, 30);
    return OK;
}

static result_t walk_pml5(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear, gpa_t *out) {
    gpa_t at = entry_address(regs->cr3, linear, 48);
    uint64_t entry = read_entry(g, at);
    if (!is_canonical(linear, 57))
        return fail(ERR_RANGE);
    return (entry & PTE_P) != 0 ? walk_pml4(g, entry, linear, out) : absent(g, at);
}

/* PAE: four entries in the table of CR3, which need not be page aligned and have no page size bit. */
static result_t walk_pae(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear, gpa_t *out) {
    gpa_t at = (regs->cr3 & 0xffffffe0u) + 8 * (linear >> 30);
    uint64_t entry = read_entry(g, at);
    return (entry & PTE_P) != 0 ? walk_directory(g, entry, linear, out) : absent(g, at);
}

static result_t walk32(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear, gpa_t *out) {
    gpa_t table = regs->cr3 & 0xfffff000u;
    uint32_t entry;
    for (unsigned shift = 22;; shift = 12) {
        const uint8_t *p = ram(g, table + 4 * (linear >> shift & 1023));
        if (p == NULL)
            return fail(ERR_RANGE);
        memcpy(&entry, p, sizeof(entry));
        if ((entry & PTE_P) == 0)
            return fail(ERR_NOENT);
        if (shift == 12)
            break;
        if ((entry & PTE_PS) != 0 && (regs->cr4 & CR4_PSE) != 0) {
            *out = (entry & 0xffc00000u) | (uint64_t)(entry >> 13 & 0xff) << 32 | (linear & 0x3fffff);
            return OK;
        }
        table = entry & 0xfffff000u;
    }
    *out = (entry & 0xfffff000u) | (linear & 0xfff);
    return OK;
}

static result_t walk_legacy(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear,
                            gpa_t *out) {
    linear &= UINT32_MAX;
    if ((regs->cr0 & CR0_PG) != 0)
        return regs->cr4 & CR4_PAE ? walk_pae(g, regs, linear, out) : walk32(g, regs, linear, out);
    *out = linear;
    return OK;
}

INLINE result_t translate(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear, gpa_t *out) {
    if ((regs->cr0 & CR0_PG) == 0 || (regs->efer & EFER_LMA) == 0)
        return walk_legacy(g, regs, linear, out);
    if (__builtin_expect((regs->cr4 & CR4_LA57) != 0, 0))
        return walk_pml5(g, regs, linear, out);
    return is_canonical(linear, 48) ? walk_pml4(g, regs->cr3, linear, out) : fail(ERR_RANGE);
}

result_t gwalk_translate(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear, gpa_t *out) {
    return translate(g, regs, linear, out);
}

result_t gwalk_fetch(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear,
                     uint8_t buf[GWALK_FETCH_BYTES], unsigned *n) {
    gpa_t gpa;
    result_t r = translate(g, regs, linear, &gpa);
    if (r != OK)
        return r;
    const uint8_t *p = ram(g, gpa);
    unsigned left = (unsigned)(PAGE_SIZE - (gpa & (PAGE_SIZE - 1)));
    if (p == NULL)
        return fail(ERR_RANGE);
    if (left >= GWALK_FETCH_BYTES) {
        memcpy(buf, p, GWALK_FETCH_BYTES);
        *n = GWALK_FETCH_BYTES;
        return OK;
    }
    memcpy(buf, p, left);
    *n = left;
    if (gwalk_translate(g, regs, linear + left, &gpa) == OK && (p = ram(g, gpa)) != NULL) {
        memcpy(buf + left, p, GWALK_FETCH_BYTES - left);
        *n = GWALK_FETCH_BYTES;
    }
    return OK;
}
