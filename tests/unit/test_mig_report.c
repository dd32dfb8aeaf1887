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

static uint64_t sum_of_parts(const struct migrate_blackout *k) {
    return k->pause_ns + k->last_pages_ns + k->state_ns + k->seal_ns + k->commit_ns + k->resume_ns;
}

static void test_report_blackout_of_either_side_adds_up(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct mig_bench *b = mig_bench_begin(seed, 2 * MIB);
        fake_offset_ns[1] = seed % 2 ? 7777777777 : -(uint64_t)500000000;
        fake_link.rate = 20000;
        mig_bench_start(b, NULL);
        assert_true(mig_bench_run(b, 40000));
        for (unsigned h = 0; h < MIG_BENCH_HOSTS; h++) {
            const struct migrate_blackout *k = &b->host[h].last.blackout;
            assert_int_not_equal(k->total_ns, 0);
            assert_int_equal(sum_of_parts(k), k->total_ns);
        }
        mig_bench_end(b);
    }
}

/* What came is what was sent, round by round. */
static void test_report_of_the_target_equals_the_sources(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_link.rate = 20000;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 40000));
    const struct migrate_report *src = &b->host[0].last, *tgt = &b->host[1].last;
    uint64_t ns = 0;
    assert_int_equal(tgt->octets, src->octets);
    assert_int_equal(tgt->raw_pages, src->raw_pages);
    assert_int_equal(tgt->zero_pages, src->zero_pages);
    assert_int_equal(tgt->nr_rounds, src->nr_rounds);
    for (unsigned i = 0; i < src->nr_rounds; i++) {
        assert_int_equal(tgt->round[i].pages, src->round[i].pages);
        assert_int_equal(tgt->round[i].octets, src->round[i].octets);
        ns += tgt->round[i].duration_ns;
    }
    assert_true(tgt->round[0].duration_ns > 0);
    assert_true(ns > 0 && ns <= tgt->total_ns);
    assert_int_equal(tgt->round[0].dirty_pages, tgt->round[1].pages);
    mig_bench_end(b);
}

/* Rounds after the last entry are added to it. */
static void test_report_adds_late_rounds_to_the_last_entry(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_link.rate = 20000;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_source(b, SOURCE_DRAINING, 20000));
    struct session *s = mig_bench_session(b, 1, MIGRATE_TARGET);
    while (s->tgt.store.in_round || s->tgt.store.round == 0)
        mig_bench_step(b);
    uint32_t first = s->tgt.store.round;
    struct reason why;
    uint32_t code;
    fake_host = 1;
    for (uint32_t n = first + 1; n <= MIGRATE_MAX_ROUNDS + 5; n++) {
        struct wire_msg msg = {.type = WIRE_ROUND_BEGIN,
                               .u.round = {.round = n, .kind = WIRE_ROUND_DIRTY, .pages = 1}};
        assert_true(target_records_take(s, &msg, &code, &why));
        page_store_zero(&s->tgt.store, 7);
        msg.type = WIRE_ROUND_END;
        msg.u.round.zero_pages = 1;
        assert_true(target_records_take(s, &msg, &code, &why));
    }
    assert_int_equal(s->report.nr_rounds, MIGRATE_MAX_ROUNDS);
    assert_int_equal(s->report.round[MIGRATE_MAX_ROUNDS - 2].pages, 1);
    assert_int_equal(s->report.round[MIGRATE_MAX_ROUNDS - 1].pages, 6);
    assert_int_equal(s->report.round[MIGRATE_MAX_ROUNDS - 1].round, MIGRATE_MAX_ROUNDS + 5);
    assert_int_equal(host_cancel(&b->host[1], s->vm, &why), OK);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_stayed(b);
    mig_bench_end(b);
}

/* COMMIT may have left, though it did not: the operator must hear of the doubt. */
static void test_report_tells_doubt_when_commit_could_not_leave(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_READY, 20000)); /* READY is in the target's queue */
    fake_link.queue = 0;                                          /* COMMIT does not fit */
    assert_true(mig_bench_run_to_source(b, SOURCE_IN_DOUBT, 20));
    fake_link.queue = 256 * 1024;
    assert_int_equal(b->events[0][MIGRATE_EV_IN_DOUBT], 1);
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_moved(b);
    assert_int_equal(b->events[0][MIGRATE_EV_READY], 1);
    mig_bench_end(b);
}

/* READY is only told when it is one: a wrong digest is the end of the attempt. */
static void test_report_tells_no_ready_that_does_not_match(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_source(b, SOURCE_SEALED, 20000));
    mig_bench_session(b, 0, MIGRATE_SOURCE)->src.seal.digest ^= 1;
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_stayed(b);
    assert_int_equal(b->final[0], MIGRATE_EV_FAILED);
    assert_int_equal(b->events[0][MIGRATE_EV_READY], 0);
    mig_bench_end(b);
}

/* COMMIT sent twice: when which of them came is unknown, so they say nothing about the clocks. */
static void test_report_takes_no_clock_sample_from_a_second_commit(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_source(b, SOURCE_COMMITTED, 20000));
    fake_link.cut = true;
    assert_true(mig_bench_run_to_source(b, SOURCE_IN_DOUBT, 20000));
    assert_true(mig_bench_run_to_source(b, SOURCE_COMMITTED, 20000));
    struct session *s = mig_bench_session(b, 0, MIGRATE_SOURCE);
    s->src.ready_ns = s->src.commit_ns; /* as if READY had been delayed for that long */
    clock_sync_reset(&s->src.clock);
    uint64_t error = clock_sync_error_ns(&s->src.clock);
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_moved(b);
    assert_int_equal(b->host[0].last.blackout.error_ns, error);
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_blackout_of_either_side_adds_up),
        cmocka_unit_test(test_report_of_the_target_equals_the_sources),
        cmocka_unit_test(test_report_adds_late_rounds_to_the_last_entry),
        cmocka_unit_test(test_report_tells_doubt_when_commit_could_not_leave),
        cmocka_unit_test(test_report_tells_no_ready_that_does_not_match),
        cmocka_unit_test(test_report_takes_no_clock_sample_from_a_second_commit),
        cmocka_unit_test(test_report_outlives_noise_on_the_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
