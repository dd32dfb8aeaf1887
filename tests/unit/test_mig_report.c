/* SPDX-License-Identifier: MIT */
/* What is reported and told: the figures of the target, the last report, events in their place. */
#include "tests/unit/mig_bench.h"

#include <string.h>

static void run_steps(struct mig_bench *b, unsigned n) {
    while (n-- > 0)
        mig_bench_step(b);
}

static void test_report_outlives_noise_on_the_port(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    uint8_t noise[512];
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 40000));
    memset(noise, 0x5a, sizeof noise);
    struct stream *s = fake_raw_connect(0, 1, WIRE_PORT);
    assert_int_equal(stream_write(s, noise, sizeof noise), OK);
    run_steps(b, 3000);
    assert_int_equal(b->final[1], MIGRATE_EV_REFUSED); /* told, with a report of its own */
    assert_int_not_equal(b->why[1].text[0], '\0');
    assert_int_equal(b->host[1].last.result, MIGRATE_COMPLETED);
    assert_string_equal(b->host[1].last.name, "web");
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_outlives_noise_on_the_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
