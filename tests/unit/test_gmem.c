/* SPDX-License-Identifier: MIT */
/* test_gmem.c - the one door to guest memory: what is RAM, copies over chunk borders, dirty bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/gmem.h"

/* A guest with RAM on both sides of the PCI hole: 3 GiB and 4 MiB. Only the chunks that tests touch have storage. */
#define HIGH_BYTES (2 * LARGE_SIZE)
#define BIG_BYTES (GMEM_LOW_MAX + HIGH_BYTES)
#define BIG_CHUNKS (BIG_BYTES / LARGE_SIZE)

struct world {
    struct gmem g;
    uint8_t *chunk[BIG_CHUNKS];
    uint64_t dirty[BIG_CHUNKS * 8];
};

static void world_chunk(struct world *w, uint64_t chunk) {
    w->chunk[chunk] = aligned_alloc(PAGE_SIZE, LARGE_SIZE);
    assert_non_null(w->chunk[chunk]);
    memset(w->chunk[chunk], 0xa5, LARGE_SIZE);
}

static int world_setup(void **state) {
    struct world *w = calloc(1, sizeof *w);
    assert_int_equal(gmem_init(&w->g, BIG_BYTES, w->chunk), OK);
    w->g.dirty = w->dirty;
    world_chunk(w, 0);
    world_chunk(w, 1);
    world_chunk(w, GMEM_LOW_MAX / LARGE_SIZE - 1);
    world_chunk(w, GMEM_LOW_MAX / LARGE_SIZE);
    world_chunk(w, GMEM_LOW_MAX / LARGE_SIZE + 1);
    *state = w;
    return 0;
}

static int world_teardown(void **state) {
    struct world *w = *state;
    for (uint64_t i = 0; i < BIG_CHUNKS; i++)
        free(w->chunk[i]);
    free(w);
    return 0;
}

static uint64_t count_dirty(const struct world *w) {
    uint64_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(w->dirty); i++)
        n += (uint64_t)__builtin_popcountll(w->dirty[i]);
    return n;
}

static bool is_dirty(const struct world *w, uint64_t page) {
    return (w->dirty[page / 64] & BIT(page % 64)) != 0;
}

static void test_gmem_sizes(void **state) {
    (void)state;
    struct gmem g;
    uint8_t *chunk[4] = {0};
    assert_int_equal(gmem_init(&g, 0, chunk), ERR_INVAL);
    assert_int_equal(gmem_init(&g, LARGE_SIZE - PAGE_SIZE, chunk), ERR_INVAL);
    assert_int_equal(gmem_init(&g, LARGE_SIZE + 1, chunk), ERR_INVAL);
    assert_int_equal(gmem_init(&g, 4 * LARGE_SIZE, chunk), OK);
    assert_int_equal(g.nr_chunks, 4);
    assert_int_equal(g.nr_pages, 4 * 512);
    assert_int_equal(g.low_bytes, 4 * LARGE_SIZE);
    assert_int_equal(g.high_bytes, 0);
    assert_int_equal(gmem_init(&g, GMEM_LOW_MAX, chunk), OK);
    assert_int_equal(g.high_bytes, 0);
    assert_int_equal(gmem_init(&g, BIG_BYTES, chunk), OK);
    assert_true(g.low_bytes == GMEM_LOW_MAX && g.high_bytes == HIGH_BYTES);
}

static void test_gmem_index_and_gpa_are_inverse(void **state) {
    struct world *w = *state;
    for (uint64_t page = 0; page < w->g.nr_pages; page++) {
        uint64_t index = UINT64_MAX;
        gpa_t gpa = gmem_gpa(&w->g, page);
        assert_true(gpa < GMEM_LOW_MAX || gpa >= GMEM_HIGH_START);
        assert_int_equal(gmem_index(&w->g, gpa + PAGE_SIZE - 1, &index), OK);
        assert_int_equal(index, page);
    }
}

static void test_gmem_holes_are_not_ram(void **state) {
    struct world *w = *state;
    static const gpa_t holes[] = {GMEM_LOW_MAX, 0xfee00000, GMEM_HIGH_START - 1, GMEM_HIGH_START + HIGH_BYTES,
                                  BIT(52), UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(holes); i++) {
        uint64_t index = 777;
        uint8_t octet = 1;
        assert_int_equal(gmem_index(&w->g, holes[i], &index), ERR_RANGE);
        assert_int_equal(index, 777);
        assert_int_equal(gmem_read(&w->g, holes[i], &octet, 1), ERR_RANGE);
        assert_int_equal(gmem_write(&w->g, holes[i], &octet, 1), ERR_RANGE);
        assert_int_equal(gmem_zero(&w->g, holes[i], 1), ERR_RANGE);
    }
    assert_int_equal(count_dirty(w), 0);
}

/* A copy that reaches out of RAM by one octet must not copy anything. */
static void test_gmem_refused_copies_touch_nothing(void **state) {
    struct world *w = *state;
    static uint8_t buf[PAGE_SIZE + 1];
    static const gpa_t ends[] = {GMEM_LOW_MAX, GMEM_HIGH_START + HIGH_BYTES};
    memset(buf, 0x11, sizeof buf);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        assert_int_equal(gmem_write(&w->g, ends[i] - PAGE_SIZE, buf, PAGE_SIZE + 1), ERR_RANGE);
        assert_int_equal(gmem_zero(&w->g, ends[i] - PAGE_SIZE, PAGE_SIZE + 1), ERR_RANGE);
        assert_int_equal(gmem_read(&w->g, ends[i] - PAGE_SIZE, buf, PAGE_SIZE + 1), ERR_RANGE);
        assert_int_equal(gmem_write(&w->g, ends[i] - 1, buf, SIZE_MAX), ERR_RANGE);
        assert_int_equal(buf[0], 0x11);
    }
    assert_int_equal(count_dirty(w), 0);
    assert_int_equal(w->chunk[GMEM_LOW_MAX / LARGE_SIZE - 1][LARGE_SIZE - 1], 0xa5);
    assert_int_equal(w->chunk[GMEM_LOW_MAX / LARGE_SIZE + 1][LARGE_SIZE - 1], 0xa5);
}

static void test_gmem_copies_cross_pages_and_chunks(void **state) {
    struct world *w = *state;
    static uint8_t out[3 * PAGE_SIZE], in[3 * PAGE_SIZE];
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)(i * 7 + i / 251);
    static const struct {
        gpa_t gpa;
        size_t len;
        uint64_t first_page, nr_pages;
    } cases[] = {
        {0, 1, 0, 1},
        {PAGE_SIZE - 1, 2, 0, 2},
        {LARGE_SIZE - PAGE_SIZE - 3, 2 * PAGE_SIZE + 5, 510, 4},
        {LARGE_SIZE - 1, 1, 511, 1},
        {GMEM_LOW_MAX - 17, 17, GMEM_LOW_MAX / PAGE_SIZE - 1, 1},
        {GMEM_HIGH_START, PAGE_SIZE, GMEM_LOW_MAX / PAGE_SIZE, 1},
        {GMEM_HIGH_START + LARGE_SIZE - 5, 10, GMEM_LOW_MAX / PAGE_SIZE + 511, 2},
    };
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        memset(w->dirty, 0, sizeof w->dirty);
        assert_int_equal(gmem_write(&w->g, cases[c].gpa, out, cases[c].len), OK);
        assert_int_equal(count_dirty(w), cases[c].nr_pages);
        for (uint64_t p = 0; p < cases[c].nr_pages; p++)
            assert_true(is_dirty(w, cases[c].first_page + p));
        memset(in, 0, sizeof in);
        assert_int_equal(gmem_read(&w->g, cases[c].gpa, in, cases[c].len), OK);
        assert_memory_equal(in, out, cases[c].len);
        assert_int_equal(count_dirty(w), cases[c].nr_pages); /* reading is not writing */
        assert_int_equal(gmem_zero(&w->g, cases[c].gpa, cases[c].len), OK);
        assert_int_equal(gmem_read(&w->g, cases[c].gpa, in, cases[c].len), OK);
        for (size_t i = 0; i < cases[c].len; i++)
            assert_int_equal(in[i], 0);
    }
    assert_int_equal(w->chunk[0][1], 0xa5); /* the neighbours of the first case */
}

static void test_gmem_writes_reach_the_chunk(void **state) {
    struct world *w = *state;
    assert_int_equal(gmem_write(&w->g, GMEM_HIGH_START + LARGE_SIZE + 0x123, "x", 1), OK);
    assert_int_equal(w->chunk[GMEM_LOW_MAX / LARGE_SIZE + 1][0x123], 'x');
    uint64_t page = GMEM_LOW_MAX / PAGE_SIZE + 512;
    assert_ptr_equal(gmem_page(&w->g, page), w->chunk[GMEM_LOW_MAX / LARGE_SIZE + 1]);
    memset(w->dirty, 0, sizeof w->dirty);
    assert_ptr_equal(gmem_page_rw(&w->g, page + 3), gmem_page(&w->g, page + 3));
    assert_true(is_dirty(w, page + 3));
    assert_int_equal(count_dirty(w), 1);
}

static void test_gmem_empty_copies_and_no_log(void **state) {
    struct world *w = *state;
    assert_int_equal(gmem_write(&w->g, GMEM_LOW_MAX, "", 0), OK);
    assert_int_equal(gmem_zero(&w->g, UINT64_MAX, 0), OK);
    assert_int_equal(count_dirty(w), 0);
    w->g.dirty = NULL;
    assert_int_equal(gmem_write(&w->g, 0, "y", 1), OK);
    assert_int_equal(count_dirty(w), 0);
    assert_int_equal(w->chunk[0][0], 'y');
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gmem_sizes),
        WITH_WORLD(test_gmem_index_and_gpa_are_inverse),
        WITH_WORLD(test_gmem_holes_are_not_ram),
        WITH_WORLD(test_gmem_refused_copies_touch_nothing),
        WITH_WORLD(test_gmem_copies_cross_pages_and_chunks),
        WITH_WORLD(test_gmem_writes_reach_the_chunk),
        WITH_WORLD(test_gmem_empty_copies_and_no_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
