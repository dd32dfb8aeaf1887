/* SPDX-License-Identifier: MIT */
/* Zero test and page hash against the definition in docs/wire-format.md, computed bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "migration/page_scan.h"
#include "tests/unit/fake_host.h"

#include <string.h>

static _Alignas(8) uint8_t page[PAGE_SIZE];

static uint32_t crc_octet(uint32_t crc, uint8_t octet) {
    crc ^= octet;
    for (int i = 0; i < 8; i++)
        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    return crc;
}

static uint64_t slow_hash(uint64_t index) {
    uint32_t lane[4] = {0};
    for (size_t i = 0; i < PAGE_SIZE; i++)
        lane[i / 8 % 4] = crc_octet(lane[i / 8 % 4], page[i]);
    uint64_t h = (((uint64_t)lane[1] << 32 | lane[0]) + (index + 1) * 0x9e3779b97f4a7c15ull) *
                 0xbf58476d1ce4e5b9ull;
    h = ((h ^ h >> 32) + ((uint64_t)lane[3] << 32 | lane[2])) * 0x94d049bb133111ebull;
    h = ((h ^ h >> 29) + index) * 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

static void test_page_scan_hash_is_the_documented_one(void **state) {
    (void)state;
    struct fake_random r = {42};
    for (uint64_t round = 0; round < 50; round++) {
        for (size_t i = 0; i < PAGE_SIZE; i++)
            page[i] = (uint8_t)fake_random_next(&r);
        uint64_t index = fake_random_next(&r) >> 24;
        assert_true(page_hash(index, page) == slow_hash(index));
        assert_true(page_hash(index, page) != page_hash(index + 1, page));
    }
    memset(page, 0, sizeof page);
    assert_true(page_hash(77, page) == page_hash_zero(77));
    assert_true(slow_hash(77) == page_hash_zero(77));
}

static void test_page_scan_sees_every_single_bit(void **state) {
    (void)state;
    memset(page, 0, sizeof page);
    assert_true(page_is_zero(page));
    for (size_t bit = 0; bit < PAGE_SIZE * 8; bit++) {
        uint64_t hash;
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(page_scan(5, page, &hash));
        assert_true(hash != page_hash_zero(5));
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_scan_hash_is_the_documented_one),
        cmocka_unit_test(test_page_scan_sees_every_single_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
