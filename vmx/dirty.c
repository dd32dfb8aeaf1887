/* SPDX-License-Identifier: MIT */
#include "vmx/dirty.h"

#include <stdlib.h>

#define REGION_PAGES 512u

static gpa_t region_gpa(const struct dirty_log *d, uint64_t region) {
    uint64_t page = region * REGION_PAGES;
    return page < d->low_pages ? page << PAGE_SHIFT : DIRTY_HIGH_START + ((page - d->low_pages) << PAGE_SHIFT);
}

/* Page number of a guest-physical address, or nr_pages when it is not RAM. */
static uint64_t page_of(const struct dirty_log *d, gpa_t gpa) {
    uint64_t page = gpa >> PAGE_SHIFT;
    if (page < d->low_pages)
        return page;
    if (gpa < DIRTY_HIGH_START)
        return d->nr_pages;
    return MIN(d->low_pages + ((gpa - DIRTY_HIGH_START) >> PAGE_SHIFT), d->nr_pages);
}

/* Leaves as a fresh log wants them: clean, and for WP not writable. */
static void arm_region(const struct dirty_log *d, struct dirty_region *r) {
    uint64_t clear = d->mode == DIRTY_MODE_WP ? EPT_W : EPT_D;
    for (unsigned i = 0; i < REGION_PAGES; i++)
        __atomic_fetch_and(&r->leaf[i], ~clear, __ATOMIC_RELAXED);
}

result_t dirty_start(struct dirty_log *d, struct ept *e, enum dirty_mode mode, uint64_t low_pages, uint64_t nr_pages) {
    if (d->mode != DIRTY_MODE_OFF)
        return fail(ERR_BUSY);
    if (mode == DIRTY_MODE_OFF || (mode != DIRTY_MODE_WP && !e->ad))
        return fail(ERR_UNSUPP);
    uint64_t regions = nr_pages / REGION_PAGES;
    *d = (struct dirty_log){.ept = e, .low_pages = low_pages, .nr_pages = nr_pages};
    d->noted = calloc(nr_pages / 64, sizeof(uint64_t));
    d->region = calloc(regions, sizeof(struct dirty_region));
    result_t r = d->noted == NULL || d->region == NULL ? fail(ERR_NOMEM) : OK;
    for (uint64_t i = 0; i < regions && r == OK; i++)
        r = ept_split(e, region_gpa(d, i));
    if (r != OK) {
        dirty_stop(d);
        return r;
    }
    for (uint64_t i = 0; i < regions; i++) {
        d->region[i].entry = ept_region_entry(e, region_gpa(d, i));
        d->region[i].leaf = ept_leaf_table(e, region_gpa(d, i));
    }
    __atomic_store_n(&d->mode, mode, __ATOMIC_RELEASE); /* partner: the acquire in dirty_is_pml and dirty_write_fault */
    return OK;
}

void dirty_arm(struct dirty_log *d) {
    for (uint64_t i = 0; i < d->nr_pages / REGION_PAGES; i++)
        arm_region(d, &d->region[i]);
}

void dirty_stop(struct dirty_log *d) {
    __atomic_store_n(&d->mode, DIRTY_MODE_OFF, __ATOMIC_RELEASE);
    for (uint64_t i = 0; d->ept != NULL && i < d->nr_pages / REGION_PAGES; i++)
        ept_join(d->ept, region_gpa(d, i));
}

void dirty_release(struct dirty_log *d) {
    if (d->ept != NULL)
        ept_free_retired(d->ept);
    free(d->noted);
    free(d->region);
    *d = (struct dirty_log){.mode = DIRTY_MODE_OFF};
}

static void note(struct dirty_log *d, uint64_t page) {
    __atomic_fetch_or(&d->noted[page / 64], BIT(page % 64), __ATOMIC_RELAXED);
}

void dirty_note(struct dirty_log *d, gpa_t gpa) {
    uint64_t page = page_of(d, gpa);
    if (page < d->nr_pages)
        note(d, page);
}

bool dirty_write_fault(struct dirty_log *d, gpa_t gpa) {
    bool is_wp = __atomic_load_n(&d->mode, __ATOMIC_ACQUIRE) == DIRTY_MODE_WP;
    uint64_t page = is_wp ? page_of(d, gpa) : d->nr_pages;
    if (page >= d->nr_pages)
        return false;
    __atomic_fetch_or(&d->region[page / REGION_PAGES].leaf[page % REGION_PAGES], EPT_W, __ATOMIC_SEQ_CST);
    note(d, page);
    return true;
}

/* PML and WP: only the noted pages need their leaf re-armed. */
static uint64_t collect_noted(struct dirty_log *d, uint64_t *bitmap) {
    uint64_t clear = d->mode == DIRTY_MODE_WP ? EPT_W : EPT_D;
    uint64_t fresh = 0;
    for (uint64_t w = 0; w < d->nr_pages / 64; w++) {
        if (__atomic_load_n(&d->noted[w], __ATOMIC_RELAXED) == 0)
            continue;
        uint64_t bits = __atomic_exchange_n(&d->noted[w], 0, __ATOMIC_SEQ_CST);
        fresh += (uint64_t)__builtin_popcountll(bits & ~bitmap[w]);
        bitmap[w] |= bits;
        uint64_t *leaf = &d->region[w / (REGION_PAGES / 64)].leaf[w % (REGION_PAGES / 64) * 64];
        for (; bits != 0; bits &= bits - 1)
            __atomic_fetch_and(&leaf[__builtin_ctzll(bits)], ~clear, __ATOMIC_SEQ_CST);
    }
    return fresh;
}

static uint64_t collect_word(uint64_t *leaf) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < 64; i++) {
        if ((leaf[i] & EPT_D) == 0)
            continue;
        bits |= BIT(i);
        __atomic_fetch_and(&leaf[i], ~EPT_D, __ATOMIC_RELAXED);
    }
    return bits;
}

static uint64_t collect_flags(struct dirty_log *d, uint64_t *bitmap) {
    uint64_t fresh = 0;
    for (uint64_t r = 0; r < d->nr_pages / REGION_PAGES; r++) {
        if ((*d->region[r].entry & EPT_A) == 0)
            continue;
        __atomic_fetch_and(d->region[r].entry, ~EPT_A, __ATOMIC_RELAXED);
        for (unsigned w = 0; w < REGION_PAGES / 64; w++) {
            uint64_t bits = collect_word(&d->region[r].leaf[w * 64]);
            uint64_t *out = &bitmap[r * (REGION_PAGES / 64) + w];
            fresh += (uint64_t)__builtin_popcountll(bits & ~*out);
            *out |= bits;
        }
    }
    return fresh;
}

uint64_t dirty_collect(struct dirty_log *d, uint64_t *bitmap) {
    if (d->mode == DIRTY_MODE_OFF)
        return 0;
    return d->mode == DIRTY_MODE_DBIT ? collect_flags(d, bitmap) : collect_noted(d, bitmap);
}

uint64_t dirty_cross_check(const struct dirty_log *d, uint64_t *first) {
    uint64_t flag = d->mode == DIRTY_MODE_PML ? EPT_D : d->mode == DIRTY_MODE_WP ? EPT_W : 0;
    uint64_t differ = 0;
    for (uint64_t page = 0; flag != 0 && page < d->nr_pages; page++) {
        bool noted = (d->noted[page / 64] & BIT(page % 64)) != 0;
        bool marked = (d->region[page / REGION_PAGES].leaf[page % REGION_PAGES] & flag) != 0;
        if (noted == marked)
            continue;
        if (differ++ == 0)
            *first = page;
    }
    return differ;
}
