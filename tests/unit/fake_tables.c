/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_tables.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define POOL_PAGES 8192u

static uint8_t arena[POOL_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static bool taken[POOL_PAGES];
static unsigned left = UINT_MAX;
static uint64_t used;

void fake_tables_reset(void) {
    memset(taken, 0, sizeof taken);
    left = UINT_MAX;
    used = 0;
}

void fake_tables_limit(unsigned nr) {
    left = nr;
}

uint64_t fake_tables_used(void) {
    return used;
}

static hpa_t pool_alloc(void) {
    if (left == 0)
        return 0;
    for (unsigned i = 1; i < POOL_PAGES; i++) {
        if (taken[i])
            continue;
        taken[i] = true;
        memset(arena[i], 0, PAGE_SIZE);
        left -= left != UINT_MAX;
        used++;
        return (hpa_t)i << PAGE_SHIFT;
    }
    return 0;
}

static bool is_out(hpa_t pa) {
    return (pa & (PAGE_SIZE - 1)) == 0 && pa != 0 && pa >> PAGE_SHIFT < POOL_PAGES && taken[pa >> PAGE_SHIFT];
}

static void pool_free(hpa_t pa) {
    if (!is_out(pa))
        abort(); /* freed twice, or never given out */
    taken[pa >> PAGE_SHIFT] = false;
    memset(arena[pa >> PAGE_SHIFT], 0xdb, PAGE_SIZE); /* a stale pointer shows */
    used--;
}

static void *pool_virt(hpa_t pa) {
    if (!is_out(pa))
        abort();
    return arena[pa >> PAGE_SHIFT];
}

const struct ept_mem fake_tables_mem = {pool_alloc, pool_free, pool_virt};

#define RESERVED_IN_TABLE_ENTRY 0xf8ull /* bits 7:3 of an entry that points to a table */
#define TYPE_MASK (7ull << 3)
#define HIGH_BITS (0xfffull << 52)

static const char *check_leaf(uint64_t entry, unsigned shift) {
    if ((entry & EPT_R) == 0 && (entry & EPT_W) != 0)
        return "writable but not readable";
    if ((entry & TYPE_MASK) != EPT_TYPE_WB)
        return "not write-back";
    if (shift > PAGE_SHIFT && (entry & EPT_ADDR & (BIT(shift) - 1)) != 0)
        return "unaligned large leaf";
    if (shift == PAGE_SHIFT && (entry & EPT_LARGE) != 0)
        return "size bit in a 4 KiB leaf";
    return (entry & HIGH_BITS) != 0 ? "bits above the address" : NULL;
}

static const char *check_table(hpa_t pa, unsigned shift, uint64_t *tables) {
    if (!is_out(pa))
        return "table page is not allocated";
    (*tables)++;
    const uint64_t *table = pool_virt(pa);
    for (unsigned i = 0; i < 512; i++) {
        if ((table[i] & EPT_RWX) == 0)
            continue;
        const char *wrong;
        if (shift == PAGE_SHIFT || (table[i] & EPT_LARGE) != 0)
            wrong = shift == 39 ? "leaf at the top level" : check_leaf(table[i], shift);
        else if ((table[i] & RESERVED_IN_TABLE_ENTRY) != 0)
            wrong = "reserved bits in a table entry";
        else
            wrong = check_table(table[i] & EPT_ADDR, shift - 9, tables);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

const char *fake_tables_check(const struct ept *e, uint64_t *tables) {
    *tables = 0;
    return check_table(e->root, 39, tables);
}
