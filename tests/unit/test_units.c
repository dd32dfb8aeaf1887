/* SPDX-License-Identifier: MIT */
/* test_units.c - durations as typed, and figures as shown; JSON strings are always valid. */
#include "console/units.h"

#include "console/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_units_parse(void **state) {
    (void)state;
    uint64_t v = 77;
    assert_int_equal(units_parse_duration("10ms", &v), OK);
    assert_int_equal(v, 10000000);
    assert_int_equal(units_parse_duration("250us", &v), OK);
    assert_int_equal(v, 250000);
    assert_int_equal(units_parse_duration("3S", &v), OK);
    assert_int_equal(v, 3000000000);
    assert_int_equal(units_parse_duration("0", &v), OK);
    assert_int_equal(v, 0);
    v = 77;
    static const char *const bad[] = { "", "10", "ms", "-1ms", "1.5ms", "10 ms", "10msx", "0x10ms", "+1s" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(units_parse_duration(bad[i], &v), ERR_INVAL);
    assert_int_equal(units_parse_duration("18446744073709551616ns", &v), ERR_RANGE);
    assert_int_equal(units_parse_duration("18446744074s", &v), ERR_RANGE);
    assert_int_equal(units_parse_u64("18446744073709551616", &v), ERR_RANGE);
    assert_int_equal(units_parse_u64("12a", &v), ERR_INVAL);
    assert_int_equal(v, 77);
    assert_int_equal(units_parse_u64("18446744073709551615", &v), OK);
    assert_true(v == UINT64_MAX);
}

static void test_units_format(void **state) {
    (void)state;
    char b[UNITS_LEN];
    assert_string_equal(units_format_size(b, 256 * MIB), "256 MiB");
    assert_string_equal(units_format_size(b, 1536 * MIB), "1.5 GiB");
    assert_string_equal(units_format_size(b, 0), "0 B");
    assert_string_equal(units_format_size(b, 2 * GIB - 1), "1.9 GiB");
    assert_string_equal(units_format_size(b, UINT64_MAX), "17179869183 GiB");
    assert_string_equal(units_format_bytes(b, 103412345), "103.4 MB");
    assert_string_equal(units_format_bytes(b, 999), "999 B");
    assert_string_equal(units_format_rate(b, 112400000), "112.4 MB/s");
    assert_string_equal(units_format_rate(b, 0), "0.0 kB/s");
    assert_string_equal(units_format_duration(b, 999), "999 ns");
    assert_string_equal(units_format_duration(b, 6149999), "6.1 ms");
    assert_string_equal(units_format_duration(b, 59999999999), "59.9 s");
    assert_string_equal(units_format_duration(b, 125 * NSEC_PER_SEC), "2m05s");
    assert_string_equal(units_format_duration(b, 7380 * NSEC_PER_SEC), "2h03m");
    assert_true(strlen(units_format_duration(b, UINT64_MAX)) < UNITS_LEN);
    assert_string_equal(units_format_ipv4(b, 0x0a0000fe), "10.0.0.254");
}

static void test_units_per_second(void **state) {
    (void)state;
    assert_int_equal(units_per_second(500, NSEC_PER_SEC / 2), 1000);
    assert_int_equal(units_per_second(500, 0), 0);
    assert_true(units_per_second(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(units_per_second(UINT64_MAX, 2 * NSEC_PER_SEC) == UINT64_MAX / 2);
}

static void append(void *ctx, const char *data, size_t len) {
    strncat(ctx, data, len);
}

static void test_units_json(void **state) {
    (void)state;
    char text[512] = "";
    const struct out o = { append, text };
    struct json j;
    json_begin(&j, &o, "x");
    json_str(&j, "s", "a\"b\\c\n\x7f\xc3\xa9");
    json_open(&j, "l", '[');
    json_open(&j, NULL, '{');
    json_bool(&j, "b", true);
    json_close(&j);
    json_open(&j, NULL, '{');
    json_close(&j);
    json_close(&j);
    json_u64(&j, "n", UINT64_MAX);
    json_str(&j, "z", NULL);
    json_end(&j);
    assert_string_equal(text, "{\"event\":\"x\",\"s\":\"a\\\"b\\\\c\\u000a\\u007f\\u00c3\\u00a9\","
                              "\"l\":[{\"b\":true},{}],\"n\":18446744073709551615,\"z\":null}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_parse),
        cmocka_unit_test(test_units_format),
        cmocka_unit_test(test_units_per_second),
        cmocka_unit_test(test_units_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
