/* SPDX-License-Identifier: MIT */
/* The moment around the first entry on the target: guests that end, crash or wait in it. */
#include "tests/unit/mig_bench.h"

static struct mig_bench *begin_until_entered(void) {
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_ACTIVATING, 20000));
    assert_int_not_equal(vm_first_entry_ns(fake_vm_on(1, "web")), 0);
    return b;
}

static void test_handover_guest_powers_off_in_its_first_slice(void **state) {
    (void)state;
    struct mig_bench *b = begin_until_entered();
    fake_vm_end(fake_vm_on(1, "web"));
    assert_true(mig_bench_run(b, 20000));
    assert_int_equal(fake_vm_running("web"), 0); /* it ended; older state must not come to life */
    assert_int_equal(fake_vm_count(0), 0);
    assert_int_equal(b->final[0], MIGRATE_EV_COMPLETED);
    mig_bench_end(b);
}

static void test_handover_guest_resets_in_its_first_slice(void **state) {
    (void)state;
    struct mig_bench *b = begin_until_entered();
    fake_vm_end(fake_vm_on(1, "web"));
    (void)fake_vm_boot(1, "web", 2 * MIB); /* from the target's own definition of that name */
    assert_true(mig_bench_run(b, 20000));
    assert_int_equal(fake_vm_running("web"), 1);
    assert_int_equal(fake_vm_count(0), 0);
    mig_bench_end(b);
}

static void test_handover_stop_is_refused_before_the_first_entry(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_vm_host[1].idle = true;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_ACTIVATING, 20000));
    fake_host = 1;
    assert_non_null(host_forbids_stop(&b->host[1], fake_vm_on(1, "web")));
    fake_vm_host[1].idle = false;
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

/* The CPU refuses the guest: the copy never ran, so the guest goes on at the source. */
static void test_handover_refused_entry_goes_back(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_vm_host[1].never_enter = true;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_stayed(b);
    mig_bench_end(b);
}

/* After the first entry the guest is the target's, whatever becomes of it. */
static void test_handover_crash_after_the_first_entry_stays_there(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_vm_host[1].crash_entered = true;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 20000));
    assert_int_equal(fake_vm_count(0), 0);
    assert_int_equal(fake_vm_running("web"), 0);
    assert_int_equal(vm_get_state(fake_vm_on(1, "web")), VM_CRASHED);
    assert_int_equal(b->final[0], MIGRATE_EV_COMPLETED);
    mig_bench_end(b);
}

/* An idle guest is moved like a busy one: it has arrived when it first gets the CPU. */
static void test_handover_halted_guest_is_moved(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_vm_host[0].halted = fake_vm_host[1].halted = true;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

/* The target owns the guest and is alive, but never runs it: after a while the operator may decide. */
static void test_handover_operator_may_resolve_what_never_runs(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    struct reason why = {{0}};
    fake_vm_host[1].idle = true;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_ACTIVATING, 20000));
    fake_host = 0;
    assert_int_equal(host_resolve(&b->host[0], b->vm, false, &why), ERR_BUSY);
    for (uint64_t until = fake_time_ns + 6 * NSEC_PER_SEC; fake_time_ns < until;)
        mig_bench_step(b);
    assert_int_equal(mig_bench_session(b, 0, MIGRATE_SOURCE)->src.m.state, SOURCE_COMMITTED);
    fake_host = 0;
    assert_int_equal(host_resolve(&b->host[0], b->vm, false, &why), OK);
    assert_int_equal(fake_vm_count(0), 0);
    fake_vm_host[1].idle = false;
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handover_guest_powers_off_in_its_first_slice),
        cmocka_unit_test(test_handover_guest_resets_in_its_first_slice),
        cmocka_unit_test(test_handover_stop_is_refused_before_the_first_entry),
        cmocka_unit_test(test_handover_halted_guest_is_moved),
        cmocka_unit_test(test_handover_operator_may_resolve_what_never_runs),
        cmocka_unit_test(test_handover_refused_entry_goes_back),
        cmocka_unit_test(test_handover_crash_after_the_first_entry_stays_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
