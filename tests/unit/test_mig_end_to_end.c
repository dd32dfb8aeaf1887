/* SPDX-License-Identifier: MIT */
/* Whole migrations between two fake hosts: the real drivers, machines, codec and pump; fake VMs, streams and
 * clocks. */
#include "tests/unit/mig_bench.h"

static void test_mig_idle_guest_moves(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 4 * MIB);
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 5000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

static void test_mig_busy_guest_moves(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(2, 4 * MIB);
    fake_vm_host[0].dirty_pages = 20;
    fake_link.piece = 1000;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 5000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mig_idle_guest_moves),
        cmocka_unit_test(test_mig_busy_guest_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
