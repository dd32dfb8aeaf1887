/* SPDX-License-Identifier: MIT */
#include "vmx/ept.h"

#include <stdlib.h>

#define ENTRIES 512u
#define EPTP_WB 6ull
#define EPTP_WALK4 (3ull << 3)
#define EPTP_AD BIT(6)
#define GPA_END BIT(48) /* of a 4-level walk; an address above it would alias one below */
#define HPA_END BIT(52)

static unsigned index_at(gpa_t gpa, unsigned shift) {
    return (unsigned)(gpa >> shift) & (ENTRIES - 1);
}

static uint64_t *table_of(const struct ept *e, uint64_t entry) {
    return e->mem->to_virt(entry & EPT_ADDR);
}

static hpa_t new_table(struct ept *e) {
    hpa_t pa = e->mem->alloc();
    if (pa != 0)
        e->tables++;
    return pa;
}

static void free_table(struct ept *e, hpa_t pa) {
    e->mem->free(pa);
    e->tables--;
}

static bool is_present(uint64_t entry) {
    return (entry & EPT_RWX) != 0;
}

static bool is_leaf(uint64_t entry, unsigned shift) {
    return shift == PAGE_SHIFT || (entry & EPT_LARGE) != 0;
}

result_t ept_init(struct ept *e, const struct ept_mem *mem, bool ad, bool huge) {
    *e = (struct ept){.mem = mem, .ad = ad, .huge = huge};
    e->root = new_table(e);
    return e->root == 0 ? fail(ERR_NOMEM) : OK;
}

static void free_tree(struct ept *e, hpa_t pa, unsigned shift) {
    uint64_t *table = e->mem->to_virt(pa);
    for (unsigned i = 0; i < ENTRIES; i++)
        if (is_present(table[i]) && !is_leaf(table[i], shift))
            free_tree(e, table[i] & EPT_ADDR, shift - 9);
    free_table(e, pa);
}

void ept_free_retired(struct ept *e) {
    for (uint64_t i = 0; i < e->nr_retired; i++)
        free_table(e, e->retired[i]);
    free(e->retired);
    e->retired = NULL;
    e->nr_retired = e->cap_retired = 0;
}

void ept_exit(struct ept *e) {
    ept_free_retired(e);
    if (e->root != 0)
        free_tree(e, e->root, 39);
    e->root = 0;
}

uint64_t ept_pointer(const struct ept *e) {
    return e->root | EPTP_WB | EPTP_WALK4 | (e->ad ? EPTP_AD : 0);
}

/* The entry for gpa at level `shift`, making tables on the way; NULL: no memory. *occupied: a larger leaf is in the way. */
static uint64_t *entry_make(struct ept *e, gpa_t gpa, unsigned shift, bool *occupied) {
    uint64_t *table = e->mem->to_virt(e->root);
    for (unsigned s = 39; s > shift; s -= 9) {
        uint64_t *entry = &table[index_at(gpa, s)];
        if (!is_present(*entry)) {
            hpa_t pa = new_table(e);
            if (pa == 0)
                return NULL;
            *entry = pa | EPT_RWX;
        } else if (is_leaf(*entry, s)) {
            *occupied = true;
            return NULL;
        }
        table = table_of(e, *entry);
    }
    return &table[index_at(gpa, shift)];
}

/* The lowest entry on the path of gpa that is a leaf or absent; its level in *shift. NULL: beyond the walk's reach. */
static uint64_t *entry_find(const struct ept *e, gpa_t gpa, unsigned *shift) {
    if (gpa >= GPA_END)
        return NULL;
    uint64_t *table = e->mem->to_virt(e->root);
    for (unsigned s = 39;; s -= 9) {
        uint64_t *entry = &table[index_at(gpa, s)];
        if (!is_present(*entry) || is_leaf(*entry, s)) {
            *shift = s;
            return entry;
        }
        table = table_of(e, *entry);
    }
}

result_t ept_map_range(struct ept *e, gpa_t gpa, hpa_t hpa, uint64_t len) {
    if (((gpa | hpa | len) & (LARGE_SIZE - 1)) != 0 || len == 0 || len > GPA_END)
        return fail(ERR_INVAL);
    if (gpa > GPA_END - len || hpa > HPA_END - len)
        return fail(ERR_INVAL);
    while (len > 0) {
        bool huge = e->huge && ((gpa | hpa) & (HUGE_SIZE - 1)) == 0 && len >= HUGE_SIZE;
        unsigned shift = huge ? HUGE_SHIFT : LARGE_SHIFT;
        bool occupied = false;
        uint64_t *entry = entry_make(e, gpa, shift, &occupied);
        if (entry == NULL && !occupied)
            return fail(ERR_NOMEM);
        if (occupied || is_present(*entry))
            return fail(ERR_EXIST);
        *entry = hpa | EPT_RWX | EPT_TYPE_WB | EPT_LARGE;
        gpa += BIT(shift), hpa += BIT(shift), len -= BIT(shift);
    }
    return OK;
}

/* Replace a large leaf by a table of the next smaller leaves with the same rights and flags. */
static result_t split_entry(struct ept *e, uint64_t *entry, unsigned shift) {
    hpa_t pa = new_table(e);
    if (pa == 0)
        return fail(ERR_NOMEM);
    unsigned below = shift - 9;
    uint64_t leaf = below == PAGE_SHIFT ? *entry & ~EPT_LARGE : *entry;
    uint64_t *table = e->mem->to_virt(pa);
    for (unsigned i = 0; i < ENTRIES; i++)
        table[i] = leaf + ((uint64_t)i << below);
    __atomic_store_n(entry, pa | EPT_RWX, __ATOMIC_RELEASE); /* a CPU that walks sees the leaf or the filled table */
    return OK;
}

result_t ept_split(struct ept *e, gpa_t gpa) {
    for (;;) {
        unsigned shift;
        uint64_t *entry = entry_find(e, gpa, &shift);
        if (entry == NULL || !is_present(*entry))
            return fail(ERR_NOENT);
        if (shift == PAGE_SHIFT)
            return OK;
        result_t r = split_entry(e, entry, shift);
        if (r != OK)
            return r;
    }
}

static bool can_retire(struct ept *e) {
    if (e->nr_retired < e->cap_retired)
        return true;
    uint64_t cap = MAX(2 * e->cap_retired, 64ul);
    hpa_t *list = realloc(e->retired, cap * sizeof *list);
    if (list == NULL)
        return false;
    e->retired = list;
    e->cap_retired = cap;
    return true;
}

/* Join the 512 entries below `entry` into one leaf of level `shift`, with all rights, if they are contiguous leaves. */
static bool join_entry(struct ept *e, uint64_t *entry, unsigned shift) {
    unsigned below = shift - 9;
    uint64_t *table = table_of(e, *entry);
    hpa_t base = table[0] & EPT_ADDR;
    if ((base & (BIT(shift) - 1)) != 0)
        return false;
    for (unsigned i = 0; i < ENTRIES; i++)
        if (!is_present(table[i]) || !is_leaf(table[i], below) || (table[i] & EPT_ADDR) != base + ((uint64_t)i << below))
            return false;
    if (!can_retire(e))
        return false;
    e->retired[e->nr_retired++] = *entry & EPT_ADDR;
    /* A and D start set: nobody looks at them while no log runs, and the CPU need not write them. */
    __atomic_store_n(entry, base | EPT_RWX | EPT_TYPE_WB | EPT_LARGE | EPT_A | EPT_D, __ATOMIC_RELEASE);
    return true;
}

void ept_join(struct ept *e, gpa_t gpa) {
    if (gpa >= GPA_END)
        return;
    uint64_t *root = e->mem->to_virt(e->root);
    uint64_t *path[] = {&root[index_at(gpa, 39)], NULL, NULL};
    for (unsigned i = 0, s = 39; i < 2; i++, s -= 9) {
        if (!is_present(*path[i]) || is_leaf(*path[i], s))
            return;
        path[i + 1] = &table_of(e, *path[i])[index_at(gpa, s - 9)];
    }
    bool is_large = is_present(*path[2]) && is_leaf(*path[2], LARGE_SHIFT);
    if (is_present(*path[2]) && !is_large)
        is_large = join_entry(e, path[2], LARGE_SHIFT);
    if (is_large && e->huge)
        join_entry(e, path[1], HUGE_SHIFT);
}

uint64_t *ept_leaf_table(const struct ept *e, gpa_t gpa) {
    unsigned shift;
    uint64_t *entry = entry_find(e, gpa, &shift);
    if (entry == NULL || shift != PAGE_SHIFT)
        return NULL;
    return entry - index_at(gpa, PAGE_SHIFT);
}

uint64_t *ept_region_entry(const struct ept *e, gpa_t gpa) {
    if (gpa >= GPA_END)
        return NULL;
    uint64_t *table = e->mem->to_virt(e->root);
    for (unsigned s = 39;; s -= 9) {
        uint64_t *entry = &table[index_at(gpa, s)];
        if (!is_present(*entry) || is_leaf(*entry, s))
            return NULL;
        if (s == LARGE_SHIFT)
            return entry;
        table = table_of(e, *entry);
    }
}

uint64_t ept_lookup(const struct ept *e, gpa_t gpa, uint64_t *leaf_bytes) {
    unsigned shift;
    uint64_t *entry = entry_find(e, gpa, &shift);
    if (entry == NULL || !is_present(*entry))
        return 0;
    *leaf_bytes = BIT(shift);
    return *entry;
}
