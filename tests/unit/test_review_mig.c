/* SPDX-License-Identifier: MIT */
/* Figures of a migration against the truth that only the test knows, and guests that change under its hands. */
#include "tests/unit/mig_bench.h"

#include <string.h>

#define DOWNTIME (100 * NSEC_PER_MSEC)

static uint64_t distance(uint64_t a, uint64_t b) {
    return a > b ? a - b : b - a;
}

static uint64_t sum_of_parts(const struct migrate_blackout *k) {
    return k->pause_ns + k->last_pages_ns + k->state_ns + k->seal_ns + k->commit_ns + k->resume_ns;
}

/* What the source reports about the blackout adds up, and it and the guest's clocks are right within the error
 * it states, whatever the two hosts' clocks show. */
static void check_blackout(uint64_t seed, uint64_t offset) {
    struct mig_bench *b = mig_bench_begin(seed, 2 * MIB);
    fake_offset_ns[1] = offset;
    fake_link.rate = 5000 + 4000 * seed;
    mig_bench_start(b, &(struct migrate_options){.downtime_limit_ns = DOWNTIME});
    assert_true(mig_bench_run_to_source(b, SOURCE_SEALED, 20000));
    uint64_t paused = vm_pause_time_ns(b->vm) - fake_offset_ns[0];
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_moved(b);
    uint64_t entered = vm_first_entry_ns(fake_vm_on(1, "web")) - offset;
    const struct migrate_blackout *k = &b->host[0].last.blackout;
    assert_int_equal(sum_of_parts(k), k->total_ns);
    assert_true(distance(k->total_ns, entered - paused) <= k->error_ns);
    assert_true(k->guest_ns <= entered - paused + k->error_ns + NSEC_PER_MSEC);
    assert_true(k->guest_ns + k->resume_ns + 2 * NSEC_PER_MSEC >= entered - paused);
    mig_bench_end(b);
}

static void test_review_blackout_is_true_whatever_the_clocks_show(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        check_blackout(seed, 7777777777);
        check_blackout(seed, -(uint64_t)600 * NSEC_PER_MSEC);
        check_blackout(seed, 0);
    }
}

static void begin_rounds(struct mig_bench *b) {
    mig_bench_start(b, NULL);
    fake_link.rate = 20000;
    assert_true(mig_bench_run_to_source(b, SOURCE_PRECOPY, 20000));
}

/* An operator's pause in the middle ends the migration, and the guest stays as the operator wants it. */
static void test_review_paused_by_hand_stays_paused(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    begin_rounds(b);
    fake_host = 0;
    assert_int_equal(vm_pause(b->vm, NULL), OK);
    assert_true(mig_bench_run(b, 40000));
    assert_int_equal(vm_get_state(b->vm), VM_PAUSED);
    assert_int_equal(fake_vm_count(1), 0);
    assert_int_equal(b->final[0], MIGRATE_EV_FAILED);
    mig_bench_end(b);
}

/* A resume by hand in the stop: the guest runs here, so nothing of the copy may ever run. */
static void test_review_resumed_by_hand_is_not_handed_over(void **state) {
    (void)state;
    static const enum source_state states[] = {SOURCE_STOPPING, SOURCE_SEALED};
    for (unsigned i = 0; i < ARRAY_LEN(states); i++) {
        struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
        fake_link.rate = 5000;
        mig_bench_start(b, &(struct migrate_options){.downtime_limit_ns = DOWNTIME});
        assert_true(mig_bench_run_to_source(b, states[i], 40000));
        fake_host = 0;
        assert_int_equal(vm_resume(b->vm, NULL), OK);
        assert_true(mig_bench_run(b, 40000));
        mig_bench_expect_stayed(b);
        mig_bench_end(b);
    }
}

/* The guest resets its machine: there is a new VM of the same name, and the old one's migration leaves it alone. */
static void test_review_reset_in_the_rounds_leaves_the_new_machine_alone(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    begin_rounds(b);
    fake_vm_crash(b->vm); /* the fake's way to destroy the last image */
    fake_host = 0;
    vm_destroy(b->vm);
    b->vm = fake_vm_boot(0, "web", 2 * MIB);
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_stayed(b);
    assert_int_equal(b->final[0], MIGRATE_EV_FAILED);
    b->percent[0] = b->percent[1] = 0;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_review_blackout_is_true_whatever_the_clocks_show),
        cmocka_unit_test(test_review_paused_by_hand_stays_paused),
        cmocka_unit_test(test_review_resumed_by_hand_is_not_handed_over),
        cmocka_unit_test(test_review_reset_in_the_rounds_leaves_the_new_machine_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
