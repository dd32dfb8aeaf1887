/* SPDX-License-Identifier: MIT */
/* test_gwalk.c - the walk through a guest's page tables in each paging mode, and fetching instruction octets.
 * */
#include "guest/gwalk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PG 0x80000000u
#define PSE 0x10u
#define PAE 0x20u
#define LA57 0x1000u
#define LMA 0x500u

static struct gmem mem;
static uint8_t *chunk[2];

static void put(gpa_t at, uint64_t value, size_t size) {
    assert_int_equal(gmem_write(&mem, at, &value, size), OK);
}

static int setup(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        chunk[i] = calloc(1, LARGE_SIZE);
    return gmem_init(&mem, 2 * LARGE_SIZE, chunk) != OK;
}

static int teardown(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        free(chunk[i]);
    return 0;
}

static void assert_at(const struct gwalk_regs *regs, uint64_t linear, gpa_t expected) {
    gpa_t gpa = 1;
    assert_int_equal(gwalk_translate(&mem, regs, linear, &gpa), OK);
    assert_int_equal(gpa, expected);
}

static void assert_fails(const struct gwalk_regs *regs, uint64_t linear, result_t code) {
    gpa_t gpa = 1;
    assert_int_equal(gwalk_translate(&mem, regs, linear, &gpa), code);
    assert_int_equal(gpa, 1);
}

static void test_gwalk_no_paging(void **state) {
    (void)state;
    struct gwalk_regs regs = {.cr4 = PAE};
    assert_at(&regs, 0x123456, 0x123456);
    assert_at(&regs, 0x100000010, 0x10);
}

static void test_gwalk_long(void **state) {
    (void)state;
    struct gwalk_regs regs = {.cr0 = PG, .cr3 = 0x1018, .cr4 = PAE, .efer = LMA};
    put(0x1000 + 8 * 511, 0x2003, 8);
    put(0x2000 + 8 * 510, 0x3003, 8);
    put(0x2000 + 8 * 509, 0x8000000040000083, 8); /* 1 GiB, NX */
    put(0x3000, 0x4003, 8);
    put(0x3000 + 8, 0x200083, 8); /* 2 MiB */
    put(0x4000 + 8 * 5, 0x7003, 8);
    assert_at(&regs, 0xffffffff80005123, 0x7123);
    assert_at(&regs, 0xffffffff80201234, 0x201234);
    assert_at(&regs, 0xffffffff40000000 + 0x12345678, 0x40000000 + 0x12345678);
    assert_fails(&regs, 0xffffffff80006000, ERR_NOENT);
    assert_fails(&regs, 0, ERR_NOENT);
    assert_fails(&regs, 0x800000000000, ERR_RANGE); /* not canonical */
    put(0x3000 + 16, 0xc0000003, 8);                /* a table in the hole */
    assert_fails(&regs, 0xffffffff80400000, ERR_RANGE);
    put(0x3000 + 16, 0x000ffffffffff003, 8);
    assert_fails(&regs, 0xffffffff80400000, ERR_RANGE);
}

static void test_gwalk_five_levels(void **state) {
    (void)state;
    struct gwalk_regs regs = {.cr0 = PG, .cr3 = 0x5000, .cr4 = PAE | LA57, .efer = LMA};
    put(0x5000 + 8, 0x1003, 8);
    put(0x1000, 0x2003, 8);
    put(0x2000, 0x83, 8);
    assert_at(&regs, 0x1000000000000 + 0x1234, 0x1234);
    assert_fails(&regs, 0x1234, ERR_NOENT);
}

static void test_gwalk_pae(void **state) {
    (void)state;
    struct gwalk_regs regs = {.cr0 = PG, .cr3 = 0x1020, .cr4 = PAE};
    put(0x1020 + 8 * 3, 0x2001, 8);
    put(0x2000 + 8 * 4, 0x3003, 8);
    put(0x2000 + 8 * 5, 0x200083, 8);
    put(0x3000 + 8 * 6, 0x100007003, 8);
    assert_at(&regs, 0xc0806123, 0x100007123);
    assert_at(&regs, 0xc0a00456, 0x200456);
    assert_fails(&regs, 0x0, ERR_NOENT);
}

static void test_gwalk_32bit(void **state) {
    (void)state;
    struct gwalk_regs regs = {.cr0 = PG, .cr3 = 0x1000, .cr4 = PSE};
    put(0x1000 + 4 * 3, 0x2003, 4);
    put(0x1000 + 4 * 4, 0x800083 | 1 << 13, 4); /* 4 MiB above 4 GiB */
    put(0x2000 + 4 * 7, 0x9003, 4);
    assert_at(&regs, 0xc07abc, 0x9abc);
    assert_at(&regs, 0x1000123, 0x100800123);
    assert_fails(&regs, 0xc08000, ERR_NOENT);
    regs.cr4 = 0; /* then bit 7 has no meaning: a table at 0x802000 */
    assert_fails(&regs, 0x1000123, ERR_RANGE);
    regs.cr3 = 0xfffff000;
    assert_fails(&regs, 0, ERR_RANGE);
}

static void test_gwalk_fetch(void **state) {
    (void)state;
    struct gwalk_regs paged = {.cr0 = PG, .cr3 = 0x1000, .cr4 = PSE}, flat = {0};
    uint8_t code[32], got[GWALK_FETCH_BYTES];
    unsigned n;
    for (unsigned i = 0; i < sizeof(code); i++)
        code[i] = (uint8_t)(i + 1);
    put(0x1000, 0x2003, 4);
    put(0x2000 + 4 * 1, 0x9003, 4);
    put(0x2000 + 4 * 2, 0x5003, 4); /* the next page lies elsewhere */
    assert_int_equal(gmem_write(&mem, 0x9ff8, code, 8), OK);
    assert_int_equal(gmem_write(&mem, 0x5000, code + 8, 16), OK);
    assert_int_equal(gwalk_fetch(&mem, &paged, 0x1ff8, got, &n), OK);
    assert_int_equal(n, 16);
    assert_memory_equal(got, code, 16);
    assert_int_equal(gwalk_fetch(&mem, &paged, 0x2ff9, got, &n), OK); /* the next page is missing */
    assert_int_equal(n, 7);
    assert_int_equal(gwalk_fetch(&mem, &paged, 0x3000, got, &n), ERR_NOENT);
    assert_int_equal(gwalk_fetch(&mem, &flat, 2 * LARGE_SIZE - 16, got, &n), OK); /* the end of RAM */
    assert_int_equal(n, 16);
    assert_int_equal(gwalk_fetch(&mem, &flat, 2 * LARGE_SIZE - 3, got, &n), OK);
    assert_int_equal(n, 3);
    assert_int_equal(gwalk_fetch(&mem, &flat, 2 * LARGE_SIZE, got, &n), ERR_RANGE);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_gwalk_no_paging), TEST(test_gwalk_long),  TEST(test_gwalk_five_levels),
        TEST(test_gwalk_pae),       TEST(test_gwalk_32bit), TEST(test_gwalk_fetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
