/* SPDX-License-Identifier: MIT */
/* When pre-copy stops, what it predicts, and how two hosts' clocks are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "migration/clock_sync.h"
#include "migration/policy.h"
#include "tests/unit/fake_host.h"

#include <string.h>

static const struct policy_limits limits = {
    .downtime_limit_ns = 10 * NSEC_PER_MSEC, .hard_limit_ns = 300 * NSEC_PER_MSEC, .max_rounds = 30};

#define GIGABIT 117000000ull

/* Play rounds of a guest that dirties `hot` pages at `per_s`; returns the last decision. */
static enum policy_decision play(uint64_t pages, uint64_t hot, uint64_t per_s, uint32_t *rounds, uint64_t *predicted) {
    struct policy_state p = {.bytes_per_s = GIGABIT};
    uint64_t left = pages;
    for (*rounds = 1;; ++*rounds) {
        uint64_t ns = left * 4288 * 1000 / (GIGABIT / 1000000) + 500000;
        uint64_t dirty = MIN(hot, per_s * (ns / 1000) / 1000000);
        policy_dirty_update(&p, dirty, ns);
        left = dirty;
        struct policy_verdict v = policy_decide(&p, &limits, *rounds, left);
        assert_true(v.why.text[0] != '\0');
        assert_true(*rounds <= limits.max_rounds);
        *predicted = v.predicted_ns;
        if (v.decision != POLICY_CONTINUE)
            return v.decision;
    }
}

static void test_policy_stops_soon_with_a_resting_guest(void **state) {
    (void)state;
    uint32_t rounds;
    uint64_t predicted;
    assert_int_equal(play(20000, 500, 200, &rounds, &predicted), POLICY_STOP);
    assert_true(rounds <= 4);
    assert_true(predicted <= 2 * NSEC_PER_MSEC);
}

static void test_policy_goes_on_while_it_pays(void **state) {
    (void)state;
    uint32_t rounds;
    uint64_t predicted;
    assert_int_equal(play(60000, 60000, 10000, &rounds, &predicted), POLICY_STOP);
    assert_true(rounds >= 3 && rounds <= 20);
    assert_true(predicted <= limits.downtime_limit_ns);
}

static void test_policy_accepts_the_hard_limit_only_without_progress(void **state) {
    (void)state;
    uint32_t rounds;
    uint64_t predicted;
    assert_int_equal(play(60000, 2000, 1000000, &rounds, &predicted), POLICY_STOP);
    assert_true(rounds > POLICY_STALL_ROUNDS);
    assert_true(predicted > limits.downtime_limit_ns && predicted <= limits.hard_limit_ns);
}

static void test_policy_gives_up_beyond_the_hard_limit(void **state) {
    (void)state;
    uint32_t rounds;
    uint64_t predicted;
    assert_int_equal(play(60000, 60000, 1000000, &rounds, &predicted), POLICY_GIVE_UP);
    assert_true(predicted > limits.hard_limit_ns);
}

static void test_policy_prediction_is_monotonic_and_never_overflows(void **state) {
    (void)state;
    struct policy_state p = {.bytes_per_s = 1};
    assert_true(policy_predict_ns(&p, 1ull << 40) > policy_predict_ns(&p, 1));
    p.bytes_per_s = 0;
    uint64_t last = 0;
    for (uint64_t pages = 0; pages < 1ull << 33; pages = pages * 2 + 1) {
        uint64_t ns = policy_predict_ns(&p, pages);
        assert_true(ns > last);
        last = ns;
    }
    policy_rate_update(&p, 1, 1);
    assert_int_equal(p.bytes_per_s, 0); /* too small a sample */
    policy_rate_update(&p, 1ull << 62, 1);
    policy_rate_update(&p, MIB, 0);
    policy_dirty_update(&p, UINT64_MAX, 0);
    (void)policy_decide(&p, &limits, 1, 1ull << 33);
}

static void test_clock_offset_is_within_its_error(void **state) {
    (void)state;
    struct fake_random r = {99};
    for (unsigned run = 0; run < 1000; run++) {
        struct clock_sync c;
        int64_t offset = (int64_t)fake_random_next(&r) >> (run % 40);
        uint64_t now = fake_random_next(&r) >> 8;
        clock_sync_reset(&c);
        assert_true(clock_sync_error_ns(&c) == UINT64_MAX);
        for (unsigned i = 0; i < 8; i++) {
            uint64_t there = 1000 + fake_random_below(&r, 200000), back = 1000 + fake_random_below(&r, 200000);
            uint64_t t1 = now, t2 = t1 + there + (uint64_t)offset, t3 = t2 + fake_random_below(&r, 5000);
            uint64_t t4 = t3 - (uint64_t)offset + back;
            assert_true(clock_sync_add(&c, t1, t2, t3, t4));
            now = t4;
        }
        int64_t wrong = c.offset_ns - offset;
        assert_true((uint64_t)(wrong < 0 ? -wrong : wrong) <= clock_sync_error_ns(&c));
        assert_false(clock_sync_add(&c, 1000, 0, 5000, 2000)); /* would have come before it left */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_stops_soon_with_a_resting_guest),
        cmocka_unit_test(test_policy_goes_on_while_it_pays),
        cmocka_unit_test(test_policy_accepts_the_hard_limit_only_without_progress),
        cmocka_unit_test(test_policy_gives_up_beyond_the_hard_limit),
        cmocka_unit_test(test_policy_prediction_is_monotonic_and_never_overflows),
        cmocka_unit_test(test_clock_offset_is_within_its_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
