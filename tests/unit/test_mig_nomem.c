/* SPDX-License-Identifier: MIT */
/* A connection comes in while there is no memory for it. Linked with --wrap=malloc. */
#include "tests/unit/mig_bench.h"

#include <stdlib.h>

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

static bool starve;

void *__wrap_malloc(size_t n) {
    return starve && n == WIRE_MAX_CONTROL_BYTES ? NULL : __real_malloc(n);
}

static void test_nomem_connection_is_given_up_once(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    starve = true;
    (void)fake_raw_connect(0, 1, WIRE_PORT);
    starve = false;
    for (unsigned i = 0; i < 100; i++)
        mig_bench_step(b);
    assert_int_equal(fake_stream_open_count(), 0);
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nomem_connection_is_given_up_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
