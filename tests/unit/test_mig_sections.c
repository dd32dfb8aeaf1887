/* SPDX-License-Identifier: MIT */
/* State sections have one order, that of the host's own list: some are checked against earlier ones. */
#include "tests/unit/mig_bench.h"

#include <string.h>

static void test_sections_in_another_order_are_refused(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    struct reason why = {{0}};
    mig_bench_start(b, NULL);
    struct wire_offer offer = mig_bench_session(b, 0, MIGRATE_SOURCE)->src.offer;
    struct wire_section_id first = offer.section[0];
    offer.section[0] = offer.section[1];
    offer.section[1] = first;
    fake_host = 1;
    struct session *s = host_new_session(&b->host[1], MIGRATE_TARGET);
    assert_int_equal(target_offer_take(s, &offer, &why), WIRE_CODE_SECTION);
    assert_non_null(strstr(why.text, "order"));
    assert_int_equal(fake_vm_count(1), 0);
    session_release(s);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

static void test_section_out_of_turn_is_not_loaded(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    struct reason why = {{0}};
    uint8_t data[24] = {0};
    uint32_t code;
    fake_link.rate = 20000;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_RECEIVING, 20000));
    struct session *s = mig_bench_session(b, 1, MIGRATE_TARGET);
    struct wire_msg msg = {.type = WIRE_SECTION, .u.section = {2, 1, sizeof data, data}};
    fake_host = 1;
    s->tgt.store.in_round = false;
    s->tgt.store.kind = WIRE_ROUND_FINAL;
    assert_false(target_records_take(s, &msg, &code, &why));
    assert_int_equal(code, WIRE_CODE_PROTOCOL);
    msg.u.section.id = 1;
    assert_true(target_records_take(s, &msg, &code, &why));
    assert_false(target_records_take(s, &msg, &code, &why)); /* nor a second time */
    assert_int_equal(host_cancel(&b->host[1], s->vm, &why), OK);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_stayed(b);
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections_in_another_order_are_refused),
        cmocka_unit_test(test_section_out_of_turn_is_not_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
