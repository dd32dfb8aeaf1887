/* SPDX-License-Identifier: MIT */
/* The memory of finished transactions: an answer that was given is never displaced by noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "migration/history.h"

#include <string.h>

static const uint8_t token[WIRE_ID_LEN] = {1};

static const uint8_t *tx(unsigned n) {
    static uint8_t id[WIRE_ID_LEN];
    memcpy(id, &n, sizeof n);
    return id;
}

static void add_started(struct history *h, unsigned n) {
    struct wire_started s = {.first_entry_ns = n};
    memcpy(s.tx, tx(n), WIRE_ID_LEN);
    memcpy(s.token, token, WIRE_ID_LEN);
    history_started(h, &s);
}

static void test_history_noise_displaces_no_answer(void **state) {
    (void)state;
    struct history h = {0};
    add_started(&h, 1);
    history_aborted(&h, tx(2), token, true, WIRE_CODE_LEASE, "lease");
    for (unsigned n = 10; n < 10 + 3 * HISTORY_LEN; n++)
        history_aborted(&h, tx(n), token, false, WIRE_CODE_MEMORY, "no");
    assert_non_null(history_find(&h, tx(1)));
    assert_true(history_find(&h, tx(1))->was_started);
    assert_non_null(history_find(&h, tx(2)));
    assert_non_null(history_find(&h, tx(9 + 3 * HISTORY_LEN))); /* the newest is kept as well */
}

static void test_history_aborted_never_displaces_started(void **state) {
    (void)state;
    struct history h = {0};
    for (unsigned n = 1; n <= HISTORY_LEN; n++)
        add_started(&h, n);
    history_aborted(&h, tx(1000), token, true, WIRE_CODE_LEASE, "lease");
    history_aborted(&h, tx(1001), token, false, WIRE_CODE_MEMORY, "no");
    for (unsigned n = 1; n <= HISTORY_LEN; n++)
        assert_non_null(history_find(&h, tx(n)));
    add_started(&h, 2000);
    assert_null(history_find(&h, tx(1))); /* the oldest */
    assert_non_null(history_find(&h, tx(2)));
    assert_non_null(history_find(&h, tx(2000)));
}

/* A host may take in any number of guests: answers that arrived make room. */
static void test_history_settled_answers_make_room(void **state) {
    (void)state;
    struct history h = {0};
    for (unsigned n = 1; n <= HISTORY_LEN; n++)
        add_started(&h, n);
    history_settled(&h, tx(5));
    history_aborted(&h, tx(1000), token, true, WIRE_CODE_LEASE, "lease");
    assert_non_null(history_find(&h, tx(1000)));
    assert_null(history_find(&h, tx(5)));
    assert_non_null(history_find(&h, tx(1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_noise_displaces_no_answer),
        cmocka_unit_test(test_history_settled_answers_make_room),
        cmocka_unit_test(test_history_aborted_never_displaces_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
