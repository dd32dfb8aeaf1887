/* SPDX-License-Identifier: MIT */
/* test_result.c - names of error codes, and the one line that a person reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "kernel/result.h"

static void test_result_names_every_code_once(void **state) {
    (void)state;
    assert_string_equal(result_str(OK), "OK");
    for (int code = OK; code >= ERR_IO; code--) {
        assert_string_not_equal(result_str((result_t)code), "ERR_UNKNOWN");
        for (int other = OK; other > code; other--)
            assert_string_not_equal(result_str((result_t)code), result_str((result_t)other));
    }
}

static void test_result_unknown_codes_have_a_name_too(void **state) {
    (void)state;
    static const int codes[] = {1, 1000, ERR_IO - 1, -1000, INT32_MAX, INT32_MIN + 1};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        assert_string_equal(result_str((result_t)codes[i]), "ERR_UNKNOWN");
}

static void test_reason_passes_the_code_through(void **state) {
    (void)state;
    struct reason why;
    assert_int_equal(reason_set(&why, ERR_NOMEM, "asked %d MiB, free %d MiB", 512, 17), ERR_NOMEM);
    assert_string_equal(why.text, "asked 512 MiB, free 17 MiB");
    assert_int_equal(reason_set(NULL, ERR_LINK, "nobody listens"), ERR_LINK);
}

static void test_reason_cuts_long_text(void **state) {
    (void)state;
    char name[2 * REASON_LEN];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct {
        struct reason why;
        char guard[8];
    } s;
    memset(&s, '#', sizeof s);
    assert_int_equal(reason_set(&s.why, ERR_NOENT, "%s", name), ERR_NOENT);
    assert_int_equal(strlen(s.why.text), REASON_LEN - 1);
    assert_memory_equal(s.guard, "########", sizeof s.guard);
}

static void test_reason_is_one_printable_line(void **state) {
    (void)state;
    struct reason why;
    (void)reason_set(&why, ERR_REFUSED, "%s", "peer: \x1b[2Jno\r\nsecond line\t\x7f" "end");
    assert_string_equal(why.text, "peer: ?[2Jno??second line??end");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_names_every_code_once),
        cmocka_unit_test(test_result_unknown_codes_have_a_name_too),
        cmocka_unit_test(test_reason_passes_the_code_through),
        cmocka_unit_test(test_reason_cuts_long_text),
        cmocka_unit_test(test_reason_is_one_printable_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
