/* SPDX-License-Identifier: MIT */
/* test_ept.c - guest-physical mappings: leaf sizes, splitting and joining, and every table page given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "tests/unit/fake_tables.h"

#define FLAGS (EPT_RWX | EPT_TYPE_WB)

/* The tree is well-formed and its count of tables is the true one. */
static void check_tree(const struct ept *e) {
    uint64_t tables = 0;
    const char *wrong = fake_tables_check(e, &tables);
    if (wrong != NULL)
        print_error("EPT: %s\n", wrong);
    assert_null(wrong);
    assert_int_equal(e->tables, tables);
    assert_int_equal(fake_tables_used(), tables);
}

static void start(struct ept *e, bool huge) {
    fake_tables_reset();
    assert_int_equal(ept_init(e, &fake_tables_mem, true, huge), OK);
}

static void finish(struct ept *e) {
    check_tree(e);
    ept_exit(e);
    assert_int_equal(fake_tables_used(), 0);
    assert_int_equal(e->tables, 0);
}

/* Host address that gpa is mapped to, UINT64_MAX when it is not. */
static uint64_t translate(const struct ept *e, gpa_t gpa, uint64_t *leaf_bytes) {
    uint64_t entry = ept_lookup(e, gpa, leaf_bytes);
    if (entry == 0)
        return UINT64_MAX;
    return (entry & EPT_ADDR & ~(*leaf_bytes - 1)) | (gpa & (*leaf_bytes - 1));
}

static void check_range(const struct ept *e, gpa_t gpa, hpa_t hpa, uint64_t len, uint64_t step) {
    for (uint64_t off = 0; off < len; off += step) {
        uint64_t bytes = 0;
        assert_int_equal(translate(e, gpa + off, &bytes), hpa + off);
    }
}

static void test_ept_empty_maps_nothing(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes = 777;
    start(&e, true);
    assert_int_equal(ept_lookup(&e, 0, &bytes), 0);
    assert_int_equal(ept_lookup(&e, BIT(47), &bytes), 0);
    assert_int_equal(bytes, 777);
    assert_null(ept_leaf_table(&e, 0));
    assert_null(ept_region_entry(&e, 0));
    assert_int_equal(ept_split(&e, 0), ERR_NOENT);
    ept_join(&e, 0);
    ept_free_retired(&e);
    finish(&e);
    ept_exit(&e); /* a second time does nothing */
}

static void test_ept_pointer_says_what_the_walk_is(void **state) {
    (void)state;
    struct ept e;
    start(&e, false);
    assert_int_equal(ept_pointer(&e), e.root | 6 | 3 << 3 | BIT(6)); /* write-back, 4 levels, accessed and dirty flags */
    e.ad = false;
    assert_int_equal(ept_pointer(&e), e.root | 6 | 3 << 3);
    finish(&e);
}

static void test_ept_leaves_are_as_large_as_alignment_allows(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes = 0;
    start(&e, true);
    /* 2 MiB below a 1 GiB border, one whole GiB, 2 MiB above it. */
    gpa_t gpa = HUGE_SIZE - LARGE_SIZE;
    hpa_t hpa = 7 * HUGE_SIZE - LARGE_SIZE;
    uint64_t len = HUGE_SIZE + 2 * LARGE_SIZE;
    assert_int_equal(ept_map_range(&e, gpa, hpa, len), OK);
    check_range(&e, gpa, hpa, len, PAGE_SIZE * 37);
    (void)ept_lookup(&e, gpa, &bytes);
    assert_int_equal(bytes, LARGE_SIZE);
    assert_int_equal(ept_lookup(&e, HUGE_SIZE, &bytes), 7 * HUGE_SIZE | FLAGS | EPT_LARGE);
    assert_int_equal(bytes, HUGE_SIZE);
    (void)ept_lookup(&e, 2 * HUGE_SIZE, &bytes);
    assert_int_equal(bytes, LARGE_SIZE);
    assert_int_equal(ept_lookup(&e, gpa - 1, &bytes), 0);
    assert_int_equal(ept_lookup(&e, gpa + len, &bytes), 0);
    finish(&e);
}

static void test_ept_no_huge_leaves_when_not_allowed(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes = 0;
    start(&e, false);
    assert_int_equal(ept_map_range(&e, 0, HUGE_SIZE, HUGE_SIZE), OK);
    (void)ept_lookup(&e, 0, &bytes);
    assert_int_equal(bytes, LARGE_SIZE);
    finish(&e);
}

static void test_ept_host_misaligned_to_1g_uses_2m(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes = 0;
    start(&e, true);
    assert_int_equal(ept_map_range(&e, 0, HUGE_SIZE + LARGE_SIZE, HUGE_SIZE), OK);
    (void)ept_lookup(&e, 0, &bytes);
    assert_int_equal(bytes, LARGE_SIZE);
    check_range(&e, 0, HUGE_SIZE + LARGE_SIZE, HUGE_SIZE, LARGE_SIZE / 2);
    finish(&e);
}

static void test_ept_bad_ranges_are_refused(void **state) {
    (void)state;
    static const struct {
        gpa_t gpa;
        hpa_t hpa;
        uint64_t len;
    } bad[] = {
        {PAGE_SIZE, 0, LARGE_SIZE},
        {0, PAGE_SIZE, LARGE_SIZE},
        {0, 0, LARGE_SIZE + PAGE_SIZE},
        {0, 0, 0},
        {0 - LARGE_SIZE, 0, 2 * LARGE_SIZE},      /* wraps */
        {BIT(48), 0, LARGE_SIZE},                 /* beyond a 4-level walk: would alias address 0 */
        {BIT(48) - LARGE_SIZE, 0, 2 * LARGE_SIZE},
        {0, BIT(52), LARGE_SIZE},                 /* beyond any physical address */
        {0, BIT(52) - LARGE_SIZE, 2 * LARGE_SIZE},
    };
    struct ept e;
    uint64_t bytes;
    start(&e, true);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(ept_map_range(&e, bad[i].gpa, bad[i].hpa, bad[i].len), ERR_INVAL);
    assert_int_equal(e.tables, 1);
    assert_int_equal(ept_map_range(&e, BIT(48) - LARGE_SIZE, BIT(52) - LARGE_SIZE, LARGE_SIZE), OK);
    assert_int_equal(ept_map_range(&e, 0, 0, LARGE_SIZE), OK);
    assert_int_not_equal(ept_lookup(&e, 0, &bytes), 0);
    assert_int_equal(ept_lookup(&e, BIT(48), &bytes), 0); /* no alias when asked either */
    assert_int_equal(ept_split(&e, BIT(48)), ERR_NOENT);
    assert_null(ept_leaf_table(&e, BIT(48)));
    assert_null(ept_region_entry(&e, BIT(48)));
    finish(&e);
}

static void test_ept_overlaps_are_refused(void **state) {
    (void)state;
    struct ept e;
    start(&e, true);
    assert_int_equal(ept_map_range(&e, 0, 0, HUGE_SIZE), OK);
    assert_int_equal(ept_map_range(&e, LARGE_SIZE, 8 * HUGE_SIZE, LARGE_SIZE), ERR_EXIST); /* below a 1 GiB leaf */
    assert_int_equal(ept_map_range(&e, 0, 8 * HUGE_SIZE, HUGE_SIZE), ERR_EXIST);
    assert_int_equal(ept_map_range(&e, 2 * HUGE_SIZE, 0, LARGE_SIZE), OK);
    assert_int_equal(ept_map_range(&e, 2 * HUGE_SIZE, 0, LARGE_SIZE), ERR_EXIST);
    assert_int_equal(ept_map_range(&e, 2 * HUGE_SIZE, 0, HUGE_SIZE), ERR_EXIST); /* a 1 GiB leaf over a table */
    check_range(&e, 0, 0, HUGE_SIZE, LARGE_SIZE);
    finish(&e);
}

static void test_ept_split_keeps_every_translation(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes = 0;
    start(&e, true);
    assert_int_equal(ept_map_range(&e, 0, 5 * HUGE_SIZE, 2 * HUGE_SIZE), OK);
    uint64_t before = e.tables;
    gpa_t gpa = HUGE_SIZE + 3 * LARGE_SIZE;
    assert_null(ept_leaf_table(&e, gpa));
    assert_int_equal(ept_split(&e, gpa + 0x1234), OK);
    assert_int_equal(e.tables, before + 2); /* 1 GiB to 2 MiB, 2 MiB to 4 KiB */
    check_range(&e, 0, 5 * HUGE_SIZE, 2 * HUGE_SIZE, PAGE_SIZE);
    for (uint64_t off = 0; off < LARGE_SIZE; off += PAGE_SIZE) {
        assert_int_equal(ept_lookup(&e, gpa + off, &bytes), (6 * HUGE_SIZE + 3 * LARGE_SIZE + off) | FLAGS);
        assert_int_equal(bytes, PAGE_SIZE);
    }
    (void)ept_lookup(&e, gpa - 1, &bytes);
    assert_int_equal(bytes, LARGE_SIZE);
    (void)ept_lookup(&e, 0, &bytes);
    assert_int_equal(bytes, HUGE_SIZE);
    uint64_t *leaf = ept_leaf_table(&e, gpa + LARGE_SIZE - 1);
    assert_non_null(leaf);
    assert_int_equal(leaf[511], ept_lookup(&e, gpa + 511 * PAGE_SIZE, &bytes));
    uint64_t *entry = ept_region_entry(&e, gpa);
    assert_non_null(entry);
    assert_ptr_equal(fake_tables_mem.to_virt(*entry & EPT_ADDR), leaf);
    assert_int_equal(ept_split(&e, gpa), OK); /* again: nothing to do */
    assert_int_equal(e.tables, before + 2);
    finish(&e);
}

static void test_ept_split_copies_flags(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes;
    start(&e, true);
    assert_int_equal(ept_map_range(&e, 0, 0, HUGE_SIZE), OK);
    /* The CPU has set accessed and dirty in the large leaf: all its pages must count as written. */
    uint64_t *root = fake_tables_mem.to_virt(e.root);
    uint64_t *huge = fake_tables_mem.to_virt(root[0] & EPT_ADDR);
    huge[0] |= EPT_A | EPT_D;
    assert_int_equal(ept_split(&e, 0), OK);
    assert_int_equal(ept_lookup(&e, 5 * PAGE_SIZE, &bytes), 5 * PAGE_SIZE | FLAGS | EPT_A | EPT_D);
    assert_int_equal(ept_lookup(&e, LARGE_SIZE, &bytes), LARGE_SIZE | FLAGS | EPT_LARGE | EPT_A | EPT_D);
    finish(&e);
}

static void test_ept_join_undoes_split(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes = 0;
    start(&e, true);
    assert_int_equal(ept_map_range(&e, 0, HUGE_SIZE, HUGE_SIZE), OK);
    uint64_t before = e.tables;
    for (gpa_t gpa = 0; gpa < HUGE_SIZE; gpa += LARGE_SIZE)
        assert_int_equal(ept_split(&e, gpa), OK);
    assert_int_equal(e.tables, before + 1 + 512);
    check_tree(&e);
    for (gpa_t gpa = 0; gpa < HUGE_SIZE; gpa += LARGE_SIZE) {
        ept_leaf_table(&e, gpa)[9] &= ~EPT_W; /* as a write-protecting log leaves it */
        ept_join(&e, gpa);
        ept_free_retired(&e);
        uint64_t entry = ept_lookup(&e, gpa, &bytes);
        assert_int_equal(entry & EPT_RWX, EPT_RWX);
        assert_int_equal(bytes, gpa + LARGE_SIZE == HUGE_SIZE ? HUGE_SIZE : LARGE_SIZE);
    }
    assert_int_equal(e.tables, before);
    check_range(&e, 0, HUGE_SIZE, HUGE_SIZE, PAGE_SIZE * 11);
    ept_join(&e, 0);
    ept_free_retired(&e); /* large already */
    assert_int_equal(e.tables, before);
    finish(&e);
}

static void test_ept_join_makes_no_1g_leaf_unless_allowed(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes = 0;
    start(&e, false);
    assert_int_equal(ept_map_range(&e, 0, 0, HUGE_SIZE), OK);
    assert_int_equal(ept_split(&e, 0), OK);
    ept_join(&e, 0);
    ept_free_retired(&e);
    (void)ept_lookup(&e, 0, &bytes);
    assert_int_equal(bytes, LARGE_SIZE);
    finish(&e);
}

static void test_ept_join_wants_contiguous_memory(void **state) {
    (void)state;
    struct ept e;
    uint64_t bytes = 0;
    start(&e, true);
    /* Two neighbouring 2 MiB chunks from different places: each region joins, the GiB does not. */
    assert_int_equal(ept_map_range(&e, 0, 0, LARGE_SIZE), OK);
    assert_int_equal(ept_map_range(&e, LARGE_SIZE, HUGE_SIZE, HUGE_SIZE - LARGE_SIZE), OK);
    assert_int_equal(ept_split(&e, 0), OK);
    ept_join(&e, 0);
    ept_free_retired(&e);
    (void)ept_lookup(&e, 0, &bytes);
    assert_int_equal(bytes, LARGE_SIZE);
    check_range(&e, 0, 0, LARGE_SIZE, PAGE_SIZE);
    check_range(&e, LARGE_SIZE, HUGE_SIZE, HUGE_SIZE - LARGE_SIZE, LARGE_SIZE);
    /* A page that moved elsewhere keeps its region split. */
    assert_int_equal(ept_split(&e, 0), OK);
    uint64_t *leaf = ept_leaf_table(&e, 0);
    leaf[100] = 9 * HUGE_SIZE | FLAGS;
    ept_join(&e, 0);
    ept_free_retired(&e);
    assert_int_equal(translate(&e, 100 * PAGE_SIZE, &bytes), 9 * HUGE_SIZE);
    assert_int_equal(bytes, PAGE_SIZE);
    leaf[100] = 0; /* and so does a hole */
    ept_join(&e, 0);
    ept_free_retired(&e);
    assert_int_equal(ept_lookup(&e, 100 * PAGE_SIZE, &bytes), 0);
    finish(&e);
}

/* Memory runs out at every single table allocation in turn: an error, a sound tree, and nothing lost. */
static void test_ept_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    struct ept e;
    fake_tables_reset();
    fake_tables_limit(0);
    assert_int_equal(ept_init(&e, &fake_tables_mem, true, true), ERR_NOMEM);
    ept_exit(&e);
    bool done = false;
    for (unsigned limit = 0; !done; limit++) {
        start(&e, true);
        fake_tables_limit(limit);
        result_t r = ept_map_range(&e, HUGE_SIZE - LARGE_SIZE, 3 * HUGE_SIZE - LARGE_SIZE, HUGE_SIZE + LARGE_SIZE);
        if (r == OK) {
            r = ept_split(&e, HUGE_SIZE);
            check_range(&e, HUGE_SIZE, 3 * HUGE_SIZE, HUGE_SIZE, LARGE_SIZE / 2);
        }
        assert_true(r == OK || r == ERR_NOMEM);
        done = r == OK;
        finish(&e);
        assert_true(limit < 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ept_empty_maps_nothing),
        cmocka_unit_test(test_ept_pointer_says_what_the_walk_is),
        cmocka_unit_test(test_ept_leaves_are_as_large_as_alignment_allows),
        cmocka_unit_test(test_ept_no_huge_leaves_when_not_allowed),
        cmocka_unit_test(test_ept_host_misaligned_to_1g_uses_2m),
        cmocka_unit_test(test_ept_bad_ranges_are_refused),
        cmocka_unit_test(test_ept_overlaps_are_refused),
        cmocka_unit_test(test_ept_split_keeps_every_translation),
        cmocka_unit_test(test_ept_split_copies_flags),
        cmocka_unit_test(test_ept_join_undoes_split),
        cmocka_unit_test(test_ept_join_makes_no_1g_leaf_unless_allowed),
        cmocka_unit_test(test_ept_join_wants_contiguous_memory),
        cmocka_unit_test(test_ept_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
