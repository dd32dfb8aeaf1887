/* SPDX-License-Identifier: MIT */
/* What the source makes of records from a target that is newer, wrong, or was started again. */
#include "tests/unit/mig_bench.h"

#include "kernel/time.h"

#include <string.h>

static void test_peer_accept_of_another_transaction(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_source(b, SOURCE_OFFERED, 20000));
    mig_bench_session(b, 0, MIGRATE_SOURCE)->tx[0] ^= 1;
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_stayed(b);
    assert_int_equal(b->final[0], MIGRATE_EV_FAILED);
    assert_int_equal(b->events[0][MIGRATE_EV_ROUND], 0); /* not one page left */
    mig_bench_end(b);
}

/* A record of a type that only newer versions know. */
static void send_optional(struct session *t) {
    uint8_t buf[WIRE_HEADER_BYTES + 8] = {0};
    struct wire_header h = {.type = 500, .flags = WIRE_FLAG_OPTIONAL, .length = 8, .seq = t->ch.seq++};
    wire_header_encode(&h, buf);
    assert_int_equal(stream_write(t->ch.stream, buf, sizeof buf), OK);
}

static void test_peer_that_sends_only_optional_records_is_alive(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_RECEIVING, 20000));
    assert_true(mig_bench_run_to_source(b, SOURCE_PRECOPY, 20000));
    fake_link.rate = 20; /* round 1 takes far longer than the time of a silent peer */
    struct session *t = mig_bench_session(b, 1, MIGRATE_TARGET);
    uint64_t until = fake_time_ns + 8 * NSEC_PER_SEC, next = 0;
    while (fake_time_ns < until && mig_bench_session(b, 0, MIGRATE_SOURCE) != NULL) {
        fake_host = 1;
        t->ch.sent_ns = time_now_ns(); /* no KEEPALIVE */
        if (fake_time_ns >= next) {
            next = fake_time_ns + NSEC_PER_SEC;
            send_optional(t);
        }
        mig_bench_step(b);
    }
    assert_int_equal(b->final[0], 0);
    fake_link.rate = 64 * 1024;
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

/* What was sent during a poll bears a later time than the poll's own: that is not a long silence. */
static void test_peer_gets_no_keepalive_right_after_a_record(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_link.rate = 20000;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_RECEIVING, 20000));
    struct channel *ch = &mig_bench_session(b, 1, MIGRATE_TARGET)->ch;
    uint64_t octets = ch->octets;
    fake_host = 1;
    channel_keepalive(ch, ch->sent_ns - 1000);
    assert_int_equal(ch->octets, octets);
    channel_keepalive(ch, ch->sent_ns + CHANNEL_KEEPALIVE_NS);
    assert_int_not_equal(ch->octets, octets);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

/* After the target was started again it cannot know the transaction; the operator reads that it was. */
static void test_peer_restart_is_told_in_doubt(void **state) {
    (void)state;
    for (unsigned reboot = 0; reboot < 2; reboot++) {
        struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
        struct reason why = {{0}};
        fake_vm_host[1].idle = true;
        mig_bench_start(b, NULL);
        assert_true(mig_bench_run_to_target(b, TARGET_READY, 20000));
        fake_link.queue = 0; /* COMMIT does not fit */
        assert_true(mig_bench_run_to_source(b, SOURCE_IN_DOUBT, 20));
        fake_link.queue = 256 * 1024;
        if (reboot) {
            mig_bench_reboot(b, 1);
        } else { /* it forgets, which it never should */
            fake_host = 1;
            assert_int_equal(host_cancel(&b->host[1], fake_vm_on(1, "web"), &why), OK);
            memset(&b->host[1].history, 0, sizeof b->host[1].history);
        }
        assert_true(mig_bench_run_to_source(b, SOURCE_RECONNECTING, 20000));
        assert_true(mig_bench_run_to_source(b, SOURCE_IN_DOUBT, 20000));
        const struct session *s = mig_bench_session(b, 0, MIGRATE_SOURCE);
        assert_true((strstr(s->src.m.why.text, "started again") != NULL) == (reboot == 1));
        fake_host = 0;
        assert_int_equal(host_resolve(&b->host[0], b->vm, true, &why), OK);
        assert_true(mig_bench_run(b, 20000));
        mig_bench_expect_stayed(b);
        mig_bench_end(b);
    }
}

/* The moved guest has ended; a new machine that takes its place in memory is not the one that is being migrated. */
static void test_peer_session_means_one_machine(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    uint8_t uuid[VM_UUID_LEN], other[VM_UUID_LEN] = {1};
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_STARTED, 20000));
    struct vm *vm = fake_vm_on(1, "web");
    memcpy(uuid, vm_get_uuid(vm), sizeof uuid);
    fake_host = 1;
    assert_non_null(host_find_session(&b->host[1], vm));
    vm_set_uuid(vm, other);
    assert_null(host_find_session(&b->host[1], vm));
    vm_set_uuid(vm, uuid);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peer_accept_of_another_transaction),
        cmocka_unit_test(test_peer_that_sends_only_optional_records_is_alive),
        cmocka_unit_test(test_peer_gets_no_keepalive_right_after_a_record),
        cmocka_unit_test(test_peer_restart_is_told_in_doubt),
        cmocka_unit_test(test_peer_session_means_one_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
