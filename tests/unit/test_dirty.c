/* SPDX-License-Identifier: MIT */
/* test_dirty.c - three ways to log dirty pages, one bitmap: each runs the same random accesses on a simulated CPU and
 * must report exactly the pages that were written since the last collection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "tests/unit/fake_mmu.h"
#include "tests/unit/fake_tables.h"

/* RAM on both sides of the PCI hole; its low part is not a whole number of GiB. */
#define LOW_BYTES (HUGE_SIZE + 3 * LARGE_SIZE)
#define HIGH_BYTES (5 * LARGE_SIZE)
#define LOW_PAGES (LOW_BYTES / PAGE_SIZE)
#define NR_PAGES ((LOW_BYTES + HIGH_BYTES) / PAGE_SIZE)
#define WORDS (NR_PAGES / 64)

static const enum dirty_mode modes[] = {DIRTY_MODE_PML, DIRTY_MODE_DBIT, DIRTY_MODE_WP};

struct world {
    struct ept ept;
    struct dirty_log log;
    struct mmu mmu;
    uint64_t tables; /* before logging */
    uint64_t truth[WORDS], bitmap[WORDS];
};

static struct world world;

static gpa_t gpa_of(uint64_t page) {
    return page < LOW_PAGES ? page << PAGE_SHIFT : DIRTY_HIGH_START + ((page - LOW_PAGES) << PAGE_SHIFT);
}

static struct world *world_new(bool ad) {
    struct world *w = &world;
    memset(w, 0, sizeof *w);
    fake_tables_reset();
    assert_int_equal(ept_init(&w->ept, &fake_tables_mem, ad, true), OK);
    assert_int_equal(ept_map_range(&w->ept, 0, 4 * HUGE_SIZE, LOW_BYTES), OK);
    assert_int_equal(ept_map_range(&w->ept, DIRTY_HIGH_START, 8 * HUGE_SIZE, HIGH_BYTES), OK);
    w->tables = w->ept.tables;
    mmu_init(&w->mmu, &w->ept, &w->log);
    return w;
}

static void stop(struct world *w) {
    dirty_stop(&w->log);
    mmu_flush(&w->mmu);
    dirty_release(&w->log);
}

static void world_end(struct world *w) {
    stop(w);
    assert_int_equal(w->ept.tables, w->tables); /* all leaves are joined again */
    uint64_t bytes = 0;
    assert_int_not_equal(ept_lookup(&w->ept, 0, &bytes), 0);
    assert_int_equal(bytes, HUGE_SIZE);
    ept_exit(&w->ept);
    assert_int_equal(fake_tables_used(), 0);
}

static void start(struct world *w, enum dirty_mode mode) {
    assert_int_equal(dirty_start(&w->log, &w->ept, mode, LOW_PAGES, NR_PAGES), OK);
    mmu_pml_enable(&w->mmu, mode == DIRTY_MODE_PML);
    dirty_arm(&w->log);
    mmu_flush(&w->mmu);
}

static uint64_t collect(struct world *w) {
    if (w->mmu.pml_on)
        mmu_pml_drain(&w->mmu);
    uint64_t fresh = dirty_collect(&w->log, w->bitmap);
    mmu_flush(&w->mmu);
    return fresh;
}

static void write_page(struct world *w, uint64_t page) {
    assert_true(mmu_write(&w->mmu, gpa_of(page) + page % PAGE_SIZE));
    w->truth[page / 64] |= BIT(page % 64);
}

static uint64_t count(const uint64_t *bitmap) {
    uint64_t n = 0;
    for (size_t i = 0; i < WORDS; i++)
        n += (uint64_t)__builtin_popcountll(bitmap[i]);
    return n;
}

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Mostly writes to a hot set, some anywhere, and reads in between, which must not count. */
static void random_round(struct world *w, uint64_t *seed, unsigned accesses) {
    for (unsigned i = 0; i < accesses; i++) {
        uint64_t r = next_random(seed);
        uint64_t page = r >> 8 & 1 ? r / 512 % NR_PAGES : r / 512 % 700 * 401 % NR_PAGES;
        if (r % 4 == 0)
            assert_true(mmu_read(&w->mmu, gpa_of(page)));
        else
            write_page(w, page);
    }
}

static void test_dirty_modes_agree_with_the_truth(void **state) {
    (void)state;
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        struct world *w = world_new(true);
        uint64_t seed = 0x853c49e6748fea9b;
        random_round(w, &seed, 3000); /* before the log starts: does not count */
        memset(w->truth, 0, sizeof w->truth);
        start(w, modes[m]);
        for (unsigned round = 0; round < 12; round++) {
            random_round(w, &seed, 100u << (round % 6));
            assert_int_equal(collect(w), count(w->truth));
            assert_memory_equal(w->bitmap, w->truth, sizeof w->truth);
            memset(w->bitmap, 0, sizeof w->bitmap);
            memset(w->truth, 0, sizeof w->truth);
        }
        assert_int_equal(collect(w), 0);
        assert_int_equal(w->mmu.pml_exits > 0, modes[m] == DIRTY_MODE_PML); /* the mechanism was really exercised */
        assert_int_equal(w->mmu.faults > 0, modes[m] == DIRTY_MODE_WP);
        world_end(w);
    }
}

/* Two regions' worth of every page, first and last page of RAM included. */
static void test_dirty_every_page_has_its_bit(void **state) {
    (void)state;
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        struct world *w = world_new(true);
        start(w, modes[m]);
        for (uint64_t page = 0; page < NR_PAGES; page += page < 520 || page >= LOW_PAGES - 520 ? 1 : 509) {
            write_page(w, page);
            assert_int_equal(collect(w), 1);
            assert_memory_equal(w->bitmap, w->truth, sizeof w->truth);
        }
        write_page(w, NR_PAGES - 1);
        (void)collect(w);
        assert_memory_equal(w->bitmap, w->truth, sizeof w->truth);
        world_end(w);
    }
}

/* Bits that are set already in the caller's bitmap stay, and are not counted as new. */
static void test_dirty_collect_accumulates(void **state) {
    (void)state;
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        struct world *w = world_new(true);
        start(w, modes[m]);
        w->bitmap[0] = BIT(5);
        w->truth[0] = BIT(5);
        write_page(w, 5);
        write_page(w, 6);
        assert_int_equal(collect(w), 1);
        write_page(w, 6);
        assert_int_equal(collect(w), 0);
        assert_memory_equal(w->bitmap, w->truth, sizeof w->truth);
        world_end(w);
    }
}

/* What the TLB of this simulation is for: a collection that is not followed by INVEPT loses writes. */
static void test_dirty_needs_invept_after_collect(void **state) {
    (void)state;
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        struct world *w = world_new(true);
        start(w, modes[m]);
        write_page(w, 7);
        if (w->mmu.pml_on)
            mmu_pml_drain(&w->mmu);
        assert_int_equal(dirty_collect(&w->log, w->bitmap), 1); /* and no flush */
        memset(w->bitmap, 0, sizeof w->bitmap);
        write_page(w, 7);
        assert_int_equal(collect(w), 0); /* lost */
        write_page(w, 7);
        assert_int_equal(collect(w), 1); /* after the flush it is seen again */
        world_end(w);
    }
}

/* Without accessed and dirty flags only write protection works, and it does. */
static void test_dirty_without_ad_flags(void **state) {
    (void)state;
    struct world *w = world_new(false);
    assert_int_equal(dirty_start(&w->log, &w->ept, DIRTY_MODE_PML, LOW_PAGES, NR_PAGES), ERR_UNSUPP);
    assert_int_equal(dirty_start(&w->log, &w->ept, DIRTY_MODE_DBIT, LOW_PAGES, NR_PAGES), ERR_UNSUPP);
    assert_int_equal(w->ept.tables, w->tables);
    uint64_t seed = 42;
    start(w, DIRTY_MODE_WP);
    random_round(w, &seed, 2000);
    assert_int_equal(collect(w), count(w->truth));
    assert_memory_equal(w->bitmap, w->truth, sizeof w->truth);
    world_end(w);
}

static void test_dirty_states(void **state) {
    (void)state;
    struct world *w = world_new(true);
    assert_int_equal(dirty_start(&w->log, &w->ept, DIRTY_MODE_OFF, LOW_PAGES, NR_PAGES), ERR_UNSUPP);
    assert_int_equal(dirty_collect(&w->log, w->bitmap), 0);
    assert_false(dirty_write_fault(&w->log, 0));
    dirty_note(&w->log, 0);
    dirty_note(&w->log, DIRTY_HIGH_START);
    start(w, DIRTY_MODE_DBIT);
    assert_int_equal(dirty_start(&w->log, &w->ept, DIRTY_MODE_PML, LOW_PAGES, NR_PAGES), ERR_BUSY);
    assert_false(dirty_write_fault(&w->log, 0)); /* nothing is write-protected in this mode */
    stop(w);
    stop(w); /* a second time does nothing */
    world_end(w);
}

static void test_dirty_addresses_outside_ram_are_ignored(void **state) {
    (void)state;
    static const gpa_t outside[] = {LOW_BYTES, 0xfee00000, DIRTY_HIGH_START - 1, DIRTY_HIGH_START + HIGH_BYTES,
                                    UINT64_MAX};
    struct world *w = world_new(true);
    start(w, DIRTY_MODE_WP);
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        assert_false(dirty_write_fault(&w->log, outside[i]));
        dirty_note(&w->log, outside[i]);
    }
    assert_int_equal(collect(w), 0);
    world_end(w);
}

/* Stopping gives full rights and large leaves back, whatever was written or collected in between, and again and again. */
static void test_dirty_stop_and_start_again(void **state) {
    (void)state;
    struct world *w = world_new(true);
    uint64_t seed = 7;
    for (unsigned i = 0; i < 6; i++) {
        start(w, modes[i % ARRAY_LEN(modes)]);
        memset(w->truth, 0, sizeof w->truth);
        memset(w->bitmap, 0, sizeof w->bitmap);
        random_round(w, &seed, 500);
        (void)collect(w);
        assert_memory_equal(w->bitmap, w->truth, sizeof w->truth);
        random_round(w, &seed, 100);
        stop(w);
        mmu_pml_enable(&w->mmu, false);
        mmu_flush(&w->mmu);
        assert_int_equal(w->ept.tables, w->tables);
        uint64_t faults = w->mmu.faults;
        random_round(w, &seed, 500);
        assert_int_equal(w->mmu.faults, faults);
    }
    world_end(w);
}

/* Tables run out in the middle of splitting: the log is off, the guest runs on, nothing is lost, a later start works. */
static void test_dirty_start_without_memory(void **state) {
    (void)state;
    static const unsigned limits[] = {0, 1, 2, 100, 513, 519};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct world *w = world_new(true);
        fake_tables_limit(limits[i]);
        assert_int_equal(dirty_start(&w->log, &w->ept, DIRTY_MODE_WP, LOW_PAGES, NR_PAGES), ERR_NOMEM);
        assert_int_equal(w->log.mode, DIRTY_MODE_OFF);
        mmu_flush(&w->mmu);
        dirty_release(&w->log);
        assert_int_equal(w->ept.tables, w->tables);
        write_page(w, 1);
        assert_int_equal(w->mmu.faults, 0);
        fake_tables_limit(1000);
        memset(w->truth, 0, sizeof w->truth);
        start(w, DIRTY_MODE_WP);
        write_page(w, 1);
        assert_int_equal(collect(w), 1);
        world_end(w);
    }
}

/* A range that is not mapped is no RAM: refused, nothing kept. */
static void test_dirty_start_wants_mapped_memory(void **state) {
    (void)state;
    struct world *w = world_new(true);
    assert_int_equal(dirty_start(&w->log, &w->ept, DIRTY_MODE_WP, LOW_PAGES, NR_PAGES + 512), ERR_NOENT);
    assert_int_equal(w->log.mode, DIRTY_MODE_OFF);
    world_end(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dirty_modes_agree_with_the_truth),
        cmocka_unit_test(test_dirty_every_page_has_its_bit),
        cmocka_unit_test(test_dirty_collect_accumulates),
        cmocka_unit_test(test_dirty_needs_invept_after_collect),
        cmocka_unit_test(test_dirty_without_ad_flags),
        cmocka_unit_test(test_dirty_states),
        cmocka_unit_test(test_dirty_addresses_outside_ram_are_ignored),
        cmocka_unit_test(test_dirty_stop_and_start_again),
        cmocka_unit_test(test_dirty_start_without_memory),
        cmocka_unit_test(test_dirty_start_wants_mapped_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
