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

/* The host's view of an address in RAM, NULL if it is none. Valid up to the end of the page. */
static const uint8_t *ram(const struct gmem *g, gpa_t gpa) {
    uint64_t linear = gpa;
    if (gpa >= g->low_bytes) {
        if (gpa - GMEM_HIGH_START >= g->high_bytes) /* wraps to a huge number in the hole */
            return NULL;
        linear = gpa - GMEM_HIGH_START + g->low_bytes;
    }
    return gmem_page(g, linear >> PAGE_SHIFT) + (gpa & (PAGE_SIZE - 1));
}

/* Entries are aligned in their table, the table need not be: PAE's CR3 is 32-octet aligned, so no page is
 * crossed. */
static result_t read_entry64(const struct gmem *g, gpa_t at, uint64_t *entry) {
    const uint8_t *p = ram(g, at);
    if (p == NULL)
        return fail(ERR_RANGE);
    memcpy(entry, p, sizeof(*entry));
    return (*entry & PTE_P) != 0 ? OK : fail(ERR_NOENT);
}

static result_t walk64(const struct gmem *g, gpa_t table, unsigned shift, uint64_t linear, gpa_t *out) {
    uint64_t entry;
    for (;; shift -= 9) {
        result_t r = read_entry64(g, table + 8 * (linear >> shift & 511), &entry);
        if (r != OK)
            return r;
        if (shift == 12 || (shift <= 30 && (entry & PTE_PS) != 0))
            break;
        table = entry & PTE_ADDR;
    }
    uint64_t offset_mask = BIT(shift) - 1;
    *out = (entry & PTE_ADDR & ~offset_mask) | (linear & offset_mask);
    return OK;
}

static result_t walk_long(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear, gpa_t *out) {
    unsigned shift = regs->cr4 & CR4_LA57 ? 48 : 39;
    unsigned unused = 64 - (shift + 9);
    if ((uint64_t)((int64_t)(linear << unused) >> unused) != linear)
        return fail(ERR_RANGE);
    return walk64(g, regs->cr3 & PTE_ADDR, shift, linear, out);
}

/* PAE: four entries in the table of CR3, which have no page size bit. */
static result_t walk_pae(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear, gpa_t *out) {
    uint64_t entry;
    result_t r = read_entry64(g, (regs->cr3 & 0xffffffe0u) + 8 * (linear >> 30), &entry);
    return r == OK ? walk64(g, entry & PTE_ADDR, 21, linear, out) : r;
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

result_t gwalk_translate(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear, gpa_t *out) {
    if ((regs->cr0 & CR0_PG) != 0 && (regs->efer & EFER_LMA) != 0)
        return walk_long(g, regs, linear, out);
    linear &= UINT32_MAX;
    if ((regs->cr0 & CR0_PG) == 0) {
        *out = linear;
        return OK;
    }
    return regs->cr4 & CR4_PAE ? walk_pae(g, regs, linear, out) : walk32(g, regs, linear, out);
}

result_t gwalk_fetch(const struct gmem *g, const struct gwalk_regs *regs, uint64_t linear,
                     uint8_t buf[GWALK_FETCH_BYTES], unsigned *n) {
    gpa_t gpa;
    result_t r = gwalk_translate(g, regs, linear, &gpa);
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
