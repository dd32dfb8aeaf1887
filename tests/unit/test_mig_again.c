/* SPDX-License-Identifier: MIT */
/* A second attempt right after the first ended: nothing of the old one may be in its way. */
#include "tests/unit/mig_bench.h"

static struct {
    bool over;
} first;

static void note_end(void *ctx, enum migrate_event e, const struct migrate_status *st,
                     const struct migrate_report *r) {
    (void)ctx, (void)st;
    first.over |= r != NULL && e != MIGRATE_EV_COMPLETED;
}

/* Once the end was told, the VM is the operator's again, though a connection may still be closing. */
static void expect_free_at_once(struct mig_bench *b) {
    struct reason why = {{0}};
    for (unsigned i = 0; i < 20000 && !first.over; i++)
        mig_bench_step(b);
    assert_true(first.over);
    fake_host = 0;
    assert_null(host_forbids_stop(&b->host[0], b->vm));
    assert_int_equal(host_cancel(&b->host[0], b->vm, &why), ERR_NOENT);
    assert_int_equal(mig_bench_try(b, NULL, &why), OK);
}

static struct mig_bench *begin(bool dry) {
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    first.over = false;
    b->host[0].cfg.event = note_end;
    mig_bench_start(b, &(struct migrate_options){.dry_run = dry});
    return b;
}

static void test_again_right_after_a_dry_run(void **state) {
    (void)state;
    struct mig_bench *b = begin(true);
    expect_free_at_once(b);
    assert_true(mig_bench_run(b, 20000));
    assert_int_equal(fake_vm_count(0), 0);
    mig_bench_end(b);
}

static void test_again_right_after_cancel(void **state) {
    (void)state;
    for (unsigned hole = 0; hole < 2; hole++) {
        struct mig_bench *b = begin(false);
        fake_link.rate = 20000;
        assert_true(mig_bench_run_to_source(b, SOURCE_PRECOPY, 20000));
        fake_link.black_hole = hole == 1;
        fake_host = 0;
        assert_int_equal(host_cancel(&b->host[0], b->vm, NULL), OK);
        expect_free_at_once(b);
        fake_link.black_hole = false;
        assert_true(mig_bench_run(b, 40000));
        mig_bench_end(b);
    }
}

/* The source gave up while it could not be heard (or was started again); the target still holds the first copy. */
static void try_again_over_a_held_copy(bool ready, bool reboot) {
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    mig_bench_start(b, &(struct migrate_options){.deadline_ns = 20 * NSEC_PER_MSEC});
    fake_link.rate = 20000;
    assert_true(mig_bench_run_to_source(b, ready ? SOURCE_SEALED : SOURCE_PRECOPY, 40000));
    if (ready)
        assert_true(mig_bench_run_to_target(b, TARGET_READY, 100));
    else
        assert_true(mig_bench_run_to_target(b, TARGET_RECEIVING, 100));
    fake_link.black_hole = true;
    fake_host = 0;
    if (!ready)
        assert_int_equal(host_cancel(&b->host[0], b->vm, NULL), OK);
    while (mig_bench_session(b, 0, MIGRATE_SOURCE) != NULL)
        mig_bench_step(b);
    fake_stream_forget(0);
    if (reboot) {
        mig_bench_reboot(b, 0);
        b->vm = fake_vm_boot(0, "web", 2 * MIB);
    }
    assert_int_equal(fake_vm_count(1), 1); /* held */
    fake_link.black_hole = false;
    b->percent[0] = b->percent[1] = 0;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

static void test_again_over_a_copy_that_is_still_held(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        try_again_over_a_held_copy((i & 1) != 0, (i & 2) != 0);
}

/* Another host with a VM of that name does not displace the copy. */
static void test_again_is_only_for_the_host_that_began(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_link.rate = 20000;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run_to_target(b, TARGET_RECEIVING, 20000));
    mig_bench_session(b, 1, MIGRATE_TARGET)->peer.ipv4 ^= 1;
    struct session *second = host_new_session(&b->host[1], MIGRATE_TARGET);
    struct reason why;
    second->peer.ipv4 = 0x0a000001;
    struct wire_offer offer = mig_bench_session(b, 0, MIGRATE_SOURCE)->src.offer;
    offer.tx[0] ^= 1;
    fake_host = 1;
    assert_int_equal(target_offer_take(second, &offer, &why), WIRE_CODE_NAME);
    session_release(second);
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again_right_after_a_dry_run),
        cmocka_unit_test(test_again_right_after_cancel),
        cmocka_unit_test(test_again_over_a_copy_that_is_still_held),
        cmocka_unit_test(test_again_is_only_for_the_host_that_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
