/* SPDX-License-Identifier: MIT */
/* test_snapshot.c - one field list saves and loads; octets are little-endian; errors stick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/snapshot.h"

struct device {
    uint8_t a;
    uint16_t b;
    uint32_t c;
    uint64_t d;
    bool on;
    uint8_t name[5];
};

#define DEVICE_BYTES (1 + 2 + 4 + 8 + 1 + 5)

static void device_snapshot(struct device *dev, struct snap *s) {
    snap_u8(s, &dev->a);
    snap_u16(s, &dev->b);
    snap_u32(s, &dev->c);
    snap_u64(s, &dev->d);
    snap_bool(s, &dev->on);
    snap_bytes(s, dev->name, sizeof dev->name);
    snap_require(s, dev->a < 200);
}

static const struct device sample = {
    .a = 0x12, .b = 0x3456, .c = 0x789abcde, .d = 0xf0e1d2c3b4a59687, .on = true, .name = {'h', 'e', 'l', 'l', 'o'}};

static size_t save_sample(uint8_t *buf, size_t cap) {
    struct device dev = sample;
    struct snap s;
    size_t used = 0;
    snap_begin_save(&s, buf, cap);
    device_snapshot(&dev, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    return used;
}

static void test_snapshot_octets_are_little_endian(void **state) {
    (void)state;
    static const uint8_t expected[DEVICE_BYTES] = {
        0x12, 0x56, 0x34, 0xde, 0xbc, 0x9a, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0, 0x01,
        'h',  'e',  'l',  'l',  'o'};
    uint8_t buf[DEVICE_BYTES + 8];
    memset(buf, 0xee, sizeof buf);
    assert_int_equal(save_sample(buf, sizeof buf), DEVICE_BYTES);
    assert_memory_equal(buf, expected, DEVICE_BYTES);
    for (size_t i = DEVICE_BYTES; i < sizeof buf; i++)
        assert_int_equal(buf[i], 0xee);
}

static void test_snapshot_load_gives_the_fields_back(void **state) {
    (void)state;
    uint8_t buf[DEVICE_BYTES];
    size_t used = save_sample(buf, sizeof buf), read = 0;
    struct device dev;
    memset(&dev, 0x5a, sizeof dev);
    dev.on = false;
    struct snap s;
    snap_begin_load(&s, buf, used);
    device_snapshot(&dev, &s);
    assert_int_equal(snap_end(&s, &read), OK);
    assert_int_equal(read, used);
    assert_int_equal(dev.a, sample.a);
    assert_int_equal(dev.b, sample.b);
    assert_int_equal(dev.c, sample.c);
    assert_true(dev.d == sample.d);
    assert_true(dev.on);
    assert_memory_equal(dev.name, sample.name, sizeof dev.name);
}

/* Every length that is too short must be refused and never written past. */
static void test_snapshot_every_short_buffer_is_refused(void **state) {
    (void)state;
    for (size_t cap = 0; cap < DEVICE_BYTES; cap++) {
        uint8_t buf[DEVICE_BYTES + 1];
        memset(buf, 0xee, sizeof buf);
        struct device dev = sample;
        struct snap s;
        size_t used = 777;
        snap_begin_save(&s, buf, cap);
        device_snapshot(&dev, &s);
        assert_int_equal(snap_end(&s, &used), ERR_FULL);
        assert_int_equal(used, 777);
        for (size_t i = cap; i < sizeof buf; i++)
            assert_int_equal(buf[i], 0xee);
        assert_memory_equal(&dev.name, &sample.name, sizeof dev.name);
    }
}

static void test_snapshot_short_and_long_images_are_corrupt(void **state) {
    (void)state;
    uint8_t buf[DEVICE_BYTES + 1] = {0};
    save_sample(buf, sizeof buf);
    for (size_t len = 0; len <= DEVICE_BYTES + 1; len++) {
        struct device dev = {0};
        struct snap s;
        size_t used = 777;
        snap_begin_load(&s, buf, len);
        device_snapshot(&dev, &s);
        assert_int_equal(snap_end(&s, &used), len == DEVICE_BYTES ? OK : ERR_CORRUPT);
        assert_int_equal(used, len == DEVICE_BYTES ? DEVICE_BYTES : 777);
    }
}

static void test_snapshot_first_error_sticks(void **state) {
    (void)state;
    uint8_t buf[4] = {1, 2, 3, 4};
    struct snap s;
    uint64_t wide = 7;
    uint8_t narrow = 9;
    snap_begin_load(&s, buf, sizeof buf);
    snap_u64(&s, &wide); /* too long: fails */
    snap_u8(&s, &narrow); /* would fit, but comes after the error */
    assert_int_equal(wide, 7);
    assert_int_equal(narrow, 9);
    assert_int_equal(s.pos, 0);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
}

static void test_snapshot_bool_is_zero_or_one(void **state) {
    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        uint8_t buf = (uint8_t)octet;
        bool value = octet == 0; /* so that a load that does nothing shows */
        struct snap s;
        snap_begin_load(&s, &buf, 1);
        snap_bool(&s, &value);
        assert_int_equal(snap_end(&s, NULL), octet <= 1 ? OK : ERR_CORRUPT);
        if (octet <= 1)
            assert_int_equal(value, octet == 1);
    }
}

static void test_snapshot_require_judges_loads_only(void **state) {
    (void)state;
    struct device dev = sample;
    dev.a = 200; /* out of the bound that device_snapshot requires */
    uint8_t buf[DEVICE_BYTES];
    struct snap s;
    snap_begin_save(&s, buf, sizeof buf);
    device_snapshot(&dev, &s);
    assert_int_equal(snap_end(&s, NULL), OK);
    snap_begin_load(&s, buf, sizeof buf);
    device_snapshot(&dev, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
}

static void test_snapshot_empty_list(void **state) {
    (void)state;
    uint8_t octet = 0;
    struct snap s;
    size_t used = 777;
    snap_begin_save(&s, &octet, 0);
    snap_bytes(&s, &octet, 0);
    assert_int_equal(snap_end(&s, &used), OK);
    assert_int_equal(used, 0);
    snap_begin_load(&s, &octet, 0);
    assert_int_equal(snap_end(&s, NULL), OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_octets_are_little_endian),
        cmocka_unit_test(test_snapshot_load_gives_the_fields_back),
        cmocka_unit_test(test_snapshot_every_short_buffer_is_refused),
        cmocka_unit_test(test_snapshot_short_and_long_images_are_corrupt),
        cmocka_unit_test(test_snapshot_first_error_sticks),
        cmocka_unit_test(test_snapshot_bool_is_zero_or_one),
        cmocka_unit_test(test_snapshot_require_judges_loads_only),
        cmocka_unit_test(test_snapshot_empty_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
