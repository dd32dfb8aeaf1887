/* SPDX-License-Identifier: MIT */
/* test_net_basics.c - addresses, checksums, keyed hash and the slab allocator of net/. */
#include "net/addr.h"
#include "net/checksum.h"
#include "net/copy.h"
#include "net/siphash.h"
#include "net/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_addr_parse_accepts(void **state) {
    (void)state;
    struct net_addr a;
    assert_int_equal(net_addr_parse("10.0.0.2", 7000, &a), OK);
    assert_int_equal(a.ipv4, 0x0a000002);
    assert_int_equal(a.port, 7000);
    assert_int_equal(net_addr_parse("255.255.255.255:65535", 1, &a), OK);
    assert_int_equal(a.ipv4, 0xffffffff);
    assert_int_equal(a.port, 65535);
    assert_int_equal(net_addr_parse("0.0.0.0:1", 1, &a), OK);
    assert_int_equal(a.ipv4, 0);
}

static void test_addr_parse_rejects(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",           "10",         "10.0.0",         "10.0.0.",     "10.0.0.256",   "10.0.0.1.2",
        "10.0.0.1:",  "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:1x", " 10.0.0.1",    "10.0.0.1 ",
        "10..0.1",    "-1.0.0.1",   "010.0.0.1",      "a.b.c.d",     "10.0.0.1:+80", "10.0.0.4294967297",
        "10.0.0.1::8"};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct net_addr a = {1, 2};
        if (net_addr_parse(bad[i], 7000, &a) != ERR_INVAL)
            fail_msg("accepted: '%s'", bad[i]);
        assert_int_equal(a.ipv4, 1); /* untouched */
        assert_int_equal(a.port, 2);
    }
}

static void test_addr_round_trip(void **state) {
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 1000; i++) {
        char text[NET_ADDR_TEXT_LEN];
        struct net_addr a = {(uint32_t)rand() * 5u, (uint16_t)(rand() % 65535 + 1)}, b;
        assert_int_equal(net_addr_parse(net_addr_format(a, text), 0, &b), OK);
        assert_int_equal(a.ipv4, b.ipv4);
        assert_int_equal(a.port, b.port);
    }
}

/* RFC 1071 as it is written: 16-bit words in network order, end-around carry. */
static uint16_t slow_sum(const uint8_t *data, size_t len) {
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i += 2)
        sum += (uint64_t)data[i] << 8 | (i + 1 < len ? data[i + 1] : 0);
    while (sum >> 16)
        sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

static void test_checksum_equals_definition(void **state) {
    (void)state;
    srand(2);
    for (unsigned round = 0; round < 3000; round++) {
        size_t len = (size_t)rand() % 1600, shift = (size_t)rand() % 9;
        uint8_t *block = malloc(len + shift + 1), *data = block + shift + 1;
        for (size_t i = 0; i < len; i++)
            data[i] = round % 3 == 0 ? 0xff : (uint8_t)rand();
        assert_int_equal(checksum_sum(0, data, len), __builtin_bswap16(slow_sum(data, len)));
        free(block);
    }
}

static void test_checksum_carries_previous_sum(void **state) {
    (void)state;
    uint8_t data[200];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37);
    uint16_t head = checksum_sum(0, data, 70);
    assert_int_equal(checksum_sum(head, data + 70, 130), checksum_sum(0, data, 200));
    assert_int_equal(checksum_sum(UINT64_MAX, data, 0), 0xffff);
}

/* The authors' vectors: key 00..0f, input 00..(n-1). */
static void test_siphash_vectors(void **state) {
    (void)state;
    static const uint64_t expected[] = {0x726fdb47dd0e0e31ull, 0x74f839c593dc67fdull, 0x0d6c8009d9a94f5aull,
                                        0x85676696d7fb7e2dull};
    struct siphash_key key = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
    uint8_t input[16];
    for (unsigned i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)i;
    for (unsigned i = 0; i < ARRAY_LEN(expected); i++)
        assert_true(siphash(&key, input, i) == expected[i]);
    assert_true(siphash(&key, input, 15) == 0xa129ca6149be45e5ull);
}

static void test_copy_all_lengths(void **state) {
    (void)state;
    for (size_t len = 0; len < 300; len++) {
        uint8_t *a = malloc(len + 1), *b = malloc(len + 1);
        for (size_t i = 0; i <= len; i++) {
            a[i] = (uint8_t)(i + len);
            b[i] = 0xee;
        }
        assert_ptr_equal(net_copy(b, a, len), b);
        assert_memory_equal(a, b, len);
        assert_int_equal(b[len], 0xee);
        free(a);
        free(b);
    }
}

#define ARENA (256u * 1024u)

static void test_slab_gives_distinct_aligned_memory(void **state) {
    (void)state;
    uint8_t *arena = aligned_alloc(16, ARENA), *got[64];
    struct slab s;
    slab_init(&s, arena, ARENA);
    srand(3);
    for (unsigned round = 0; round < 200; round++) {
        size_t len[64];
        for (unsigned i = 0; i < 64; i++) {
            len[i] = (size_t)rand() % 2000;
            got[i] = slab_alloc(&s, len[i]);
            assert_non_null(got[i]);
            assert_int_equal((uintptr_t)got[i] % 16, 0);
            memset(got[i], (int)i, len[i]);
        }
        for (unsigned i = 0; i < 64; i++) {
            for (size_t k = 0; k < len[i]; k++)
                assert_int_equal(got[i][k], i);
            slab_free(&s, got[i]);
        }
        assert_int_equal(s.used, 0);
    }
    free(arena);
}

static void test_slab_keeps_room_for_small_objects(void **state) {
    (void)state;
    uint8_t *arena = aligned_alloc(16, ARENA);
    struct slab s;
    slab_init(&s, arena, ARENA);
    while (slab_alloc(&s, 2000) != NULL)
        continue;
    assert_int_equal(s.failures, 1);
    unsigned small = 0;
    while (slab_alloc(&s, 100) != NULL)
        small++;
    assert_true(small >= ARENA / 4 / 128);
    assert_null(slab_alloc(&s, 1u << 20));
    assert_null(slab_alloc(&s, SIZE_MAX));
    slab_free(&s, NULL);
    free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addr_parse_accepts),
        cmocka_unit_test(test_addr_parse_rejects),
        cmocka_unit_test(test_addr_round_trip),
        cmocka_unit_test(test_checksum_equals_definition),
        cmocka_unit_test(test_checksum_carries_previous_sum),
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_copy_all_lengths),
        cmocka_unit_test(test_slab_gives_distinct_aligned_memory),
        cmocka_unit_test(test_slab_keeps_room_for_small_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
