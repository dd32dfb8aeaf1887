/* SPDX-License-Identifier: MIT */
/* What goes wrong, one thing at a time: cancel, lost links, refusals, damage, expired leases, crashes. */
#include "tests/unit/mig_bench.h"

#include <stdio.h>
#include <string.h>

static const enum source_state before_commit[] = {SOURCE_CONNECTING, SOURCE_HELLO,   SOURCE_CLOCK,
                                                  SOURCE_OFFERED,    SOURCE_PRECOPY, SOURCE_DRAINING,
                                                  SOURCE_STOPPING,   SOURCE_SEALED};

/* A slow link, so that every state lasts for at least a step. */
static struct mig_bench *begin_slow(uint64_t seed) {
    struct mig_bench *b = mig_bench_begin(seed, 2 * MIB);
    fake_link.rate = 400;
    fake_link.queue = 160 * 1024;
    fake_vm_host[0].dirty_pages = 1;
    return b;
}

static bool audit_asked; /* reach() starts with --audit */

/* Big states: give the slow link time. */
static void reach(struct mig_bench *b, enum source_state s) {
    mig_bench_start(b, &(struct migrate_options){.downtime_limit_ns = NSEC_PER_SEC,
                                                 .hard_limit_ns = NSEC_PER_SEC,
                                                 .deadline_ns = 100 * NSEC_PER_SEC,
                                                 .audit = audit_asked});
    if (s >= SOURCE_PRECOPY && mig_bench_run_to_source(b, SOURCE_PRECOPY, 20000))
        fake_link.rate = 20000;
    if (s >= SOURCE_DRAINING && mig_bench_run_to_source(b, SOURCE_DRAINING, 20000))
        fake_vm_host[0].dirty_pages = 0;
    if (s >= SOURCE_STOPPING && mig_bench_run_to_source(b, SOURCE_STOPPING, 20000))
        fake_link.rate = 400;
    assert_true(mig_bench_run_to_source(b, s, 20000));
    assert_int_equal(mig_bench_session(b, 0, MIGRATE_SOURCE)->src.m.state, s);
}

static void second_try_works(struct mig_bench *b) {
    fake_link.rate = 64 * 1024;
    fake_link.refuse = fake_link.black_hole = false;
    b->percent[0] = b->percent[1] = 0;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 30000));
    mig_bench_expect_moved(b);
}

static void test_faults_cancel_by_the_source_in_every_state(void **state) {
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(before_commit); i++) {
        struct mig_bench *b = begin_slow(i + 1);
        reach(b, before_commit[i]);
        fake_host = 0;
        assert_int_equal(host_cancel(&b->host[0], b->vm, NULL), OK);
        assert_int_equal(vm_get_state(b->vm), VM_RUNNING);
        fake_link.rate = 64 * 1024;
        assert_true(mig_bench_run(b, 30000));
        mig_bench_expect_stayed(b);
        assert_int_equal(b->final[0], MIGRATE_EV_CANCELLED);
        second_try_works(b);
        mig_bench_end(b);
    }
}

static void test_faults_cancel_by_the_target(void **state) {
    (void)state;
    static const enum target_state states[] = {TARGET_RECEIVING, TARGET_READY};
    for (unsigned i = 0; i < ARRAY_LEN(states); i++) {
        struct mig_bench *b = begin_slow(i + 1);
        reach(b, states[i] == TARGET_READY ? SOURCE_SEALED : SOURCE_PRECOPY);
        assert_true(mig_bench_run_to_target(b, states[i], 20000));
        fake_link.rate = 10;
        fake_host = 1;
        assert_int_equal(host_cancel(&b->host[1], fake_vm_on(1, "web"), NULL), OK);
        assert_int_equal(fake_vm_count(1), 0);
        fake_link.rate = 64 * 1024;
        assert_true(mig_bench_run(b, 30000));
        mig_bench_expect_stayed(b);
        assert_int_equal(b->final[0], MIGRATE_EV_CANCELLED);
        second_try_works(b);
        mig_bench_end(b);
    }
}

static void test_faults_lost_link_before_commit_in_every_state(void **state) {
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(before_commit); i++)
        for (unsigned silent = 0; silent < 2; silent++) {
            struct mig_bench *b = begin_slow(i + 1);
            reach(b, before_commit[i]);
            fake_link.refuse = true;
            if (silent)
                fake_link.black_hole = true;
            else
                fake_link.cut = true;
            assert_true(mig_bench_run(b, 300000));
            mig_bench_expect_stayed(b);
            assert_int_equal(b->final[0], MIGRATE_EV_FAILED);
            assert_true(b->why[0].text[0] != '\0');
            second_try_works(b);
            mig_bench_end(b);
        }
}

static void reach_committed(struct mig_bench *b) {
    reach(b, SOURCE_SEALED);
    assert_true(mig_bench_run_to_source(b, SOURCE_COMMITTED, 20000));
    assert_int_equal(vm_get_state(b->vm), VM_IN_DOUBT);
}

static void test_faults_lost_commit_is_asked_again(void **state) {
    (void)state;
    struct mig_bench *b = begin_slow(1);
    reach_committed(b);
    fake_link.cut = true; /* COMMIT is still in the queue */
    fake_link.refuse = true;
    for (unsigned i = 0; i < 3000; i++)
        mig_bench_step(b);
    assert_int_equal(fake_vm_running("web"), 0);
    assert_int_equal(vm_get_state(b->vm), VM_IN_DOUBT);
    assert_int_equal(b->events[0][MIGRATE_EV_IN_DOUBT], 1);
    fake_host = 0;
    assert_int_equal(host_cancel(&b->host[0], b->vm, NULL), ERR_BUSY);
    assert_non_null(host_forbids_stop(&b->host[0], b->vm));
    fake_link.refuse = false; /* within the lease of 10 s */
    assert_true(mig_bench_run(b, 30000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

static void test_faults_commit_after_the_lease_is_answered_aborted(void **state) {
    (void)state;
    struct mig_bench *b = begin_slow(1);
    reach_committed(b);
    fake_link.cut = true;
    fake_link.refuse = true;
    for (unsigned i = 0; i < 12000; i++)
        mig_bench_step(b);
    assert_int_equal(fake_vm_running("web"), 0); /* nobody may decide alone */
    assert_int_equal(fake_vm_count(1), 0);
    fake_link.refuse = false;
    assert_true(mig_bench_run(b, 30000));
    mig_bench_expect_stayed(b);
    assert_non_null(strstr(b->why[0].text, "lease"));
    second_try_works(b);
    mig_bench_end(b);
}

static void test_faults_lost_started_is_asked_again(void **state) {
    (void)state;
    for (unsigned reboot = 0; reboot < 2; reboot++) {
        struct mig_bench *b = begin_slow(1);
        reach_committed(b);
        assert_true(mig_bench_run_to_target(b, TARGET_STARTED, 20000));
        fake_link.cut = true;
        fake_link.refuse = true;
        for (unsigned i = 0; i < 20000; i++)
            mig_bench_step(b);
        assert_int_equal(fake_vm_running("web"), 1);
        assert_int_equal(vm_get_state(b->vm), VM_IN_DOUBT);
        if (reboot)
            mig_bench_reboot(b, 1);
        fake_link.refuse = false;
        for (unsigned i = 0; i < 5000; i++)
            mig_bench_step(b);
        if (reboot) { /* the target knows nothing any more: only the operator may decide */
            assert_int_equal(vm_get_state(b->vm), VM_IN_DOUBT);
            fake_host = 0;
            assert_int_equal(host_resolve(&b->host[0], b->vm, true, NULL), OK);
            assert_int_equal(vm_get_state(b->vm), VM_RUNNING);
        } else {
            mig_bench_expect_moved(b);
        }
        assert_true(mig_bench_run(b, 30000));
        mig_bench_end(b);
    }
}

static void expect_refused(const char *word, const struct migrate_options *opt, struct mig_bench *b) {
    mig_bench_start(b, opt);
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_stayed(b);
    if (strstr(b->why[0].text, word) == NULL)
        print_message("'%s' lacks '%s'\n", b->why[0].text, word);
    assert_non_null(strstr(b->why[0].text, word));
    assert_int_equal(b->events[0][MIGRATE_EV_PAUSED], 0);
}

static void test_faults_refusals_give_their_reason(void **state) {
    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        struct mig_bench *b = mig_bench_begin(i + 1, 2 * MIB);
        const char *word = "";
        switch (i) {
        case 0: fake_vm_host[1].free_bytes = MIB, word = "1 MiB free"; break;
        case 1: fake_vm_host[1].features = 0x7f, word = "0x80"; break;
        case 2: fake_vm_host[1].section_version = 2, word = "version 1 there and 2 here"; break;
        case 3: (void)fake_vm_boot(1, "web", 2 * MIB), word = "exists"; break;
        case 4: b->host[1].cfg.max_incoming_bytes = MIB, word = "at most 1 MiB"; break;
        case 5: fake_link.refuse = true, word = "refused"; break;
        default: fake_vm_host[0].fail_dirty_start = true, word = "dirty logging"; break;
        }
        mig_bench_start(b, NULL);
        assert_true(mig_bench_run(b, 40000));
        if (strstr(b->why[0].text, word) == NULL)
            print_message("'%s' lacks '%s'\n", b->why[0].text, word);
        assert_non_null(strstr(b->why[0].text, word));
        assert_int_equal(vm_get_state(b->vm), VM_RUNNING);
        assert_int_equal(b->final[0], MIGRATE_EV_FAILED);
        assert_int_equal(b->events[0][MIGRATE_EV_PAUSED], 0);
        mig_bench_end(b);
    }
}

static void test_faults_local_failures_roll_back(void **state) {
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct mig_bench *b = mig_bench_begin(i + 1, 2 * MIB);
        switch (i) {
        case 0: fake_vm_host[0].fail_section_save = true; break;
        case 1: fake_vm_host[1].fail_section_load = true; break;
        case 2: fake_vm_host[1].fail_activate = true; break;
        case 3: fake_vm_host[1].never_enter = true; break;
        default: fake_vm_host[0].fail_pause = true; break;
        }
        mig_bench_start(b, NULL);
        assert_true(mig_bench_run(b, 40000));
        mig_bench_expect_stayed(b);
        assert_int_equal(b->final[0], MIGRATE_EV_FAILED);
        mig_bench_end(b);
    }
}

static void test_faults_dry_run_moves_nothing(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    mig_bench_start(b, &(struct migrate_options){.dry_run = true});
    assert_true(mig_bench_run(b, 10000));
    mig_bench_expect_stayed(b);
    assert_int_equal(b->final[0], MIGRATE_EV_CHECKED);
    assert_non_null(strstr(b->why[0].text, "become dirty"));
    assert_non_null(strstr(b->why[0].text, " converges"));
    mig_bench_end(b);
    b = mig_bench_begin(1, 2 * MIB);
    fake_vm_host[1].free_bytes = 0;
    expect_refused("0 MiB free", &(struct migrate_options){.dry_run = true}, b);
    mig_bench_end(b);
}

static void test_faults_page_damaged_on_the_way_is_found(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    fake_link.corrupt_at = 60000; /* inside the first pages */
    fake_vm_host[0].dirty_pages = 0;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_stayed(b);
    assert_non_null(strstr(b->why[0].text, "digest"));
    fake_link.corrupt_at = 0;
    second_try_works(b);
    mig_bench_end(b);
}

/* by_source: the source's operator asked for it; otherwise the target's configuration does. */
static void audit_finds_damage(bool by_source) {
    struct mig_bench *b = begin_slow(1);
    b->host[1].cfg.audit = !by_source;
    audit_asked = by_source;
    reach(b, SOURCE_STOPPING);
    audit_asked = false;
    fake_vm_damage(fake_vm_on(1, "web"), 17);
    fake_link.rate = 64 * 1024;
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_stayed(b);
    assert_non_null(strstr(b->why[0].text, "digest"));
    second_try_works(b);
    mig_bench_end(b);
}

static void test_faults_audit_finds_damage_in_the_targets_memory(void **state) {
    (void)state;
    audit_finds_damage(false);
    audit_finds_damage(true);
}

/* This host was busy with something else for long and did not look at the network: that says nothing about peers. */
static void test_faults_own_stall_is_not_the_peers_silence(void **state) {
    (void)state;
    for (unsigned h = 0; h < MIG_BENCH_HOSTS; h++) {
        struct mig_bench *b = begin_slow(1);
        reach(b, SOURCE_PRECOPY);
        fake_vm_host[0].dirty_pages = 0; /* the rate that was measured is low now */
        fake_time_ns += 7 * NSEC_PER_SEC;
        fake_host = h;
        (void)host_poll(&b->host[h]);
        fake_link.rate = 64 * 1024;
        assert_true(mig_bench_run(b, 40000));
        mig_bench_expect_moved(b);
        mig_bench_end(b);
    }
}

static void test_faults_guest_that_dirties_too_fast_stays(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 4 * MIB);
    fake_vm_host[0].dirty_pages = 600;
    fake_link.rate = 3000;
    mig_bench_start(b, &(struct migrate_options){.downtime_limit_ns = 2 * NSEC_PER_MSEC,
                                                 .hard_limit_ns = 3 * NSEC_PER_MSEC,
                                                 .max_rounds = 5});
    assert_true(mig_bench_run(b, 200000));
    mig_bench_expect_stayed(b);
    assert_non_null(strstr(b->why[0].text, "does not converge"));
    assert_int_equal(b->events[0][MIGRATE_EV_PAUSED], 0);
    mig_bench_end(b);
}

static void test_faults_pause_never_outlasts_its_deadline(void **state) {
    (void)state;
    struct mig_bench *b = begin_slow(1);
    mig_bench_start(b, &(struct migrate_options){.deadline_ns = 20 * NSEC_PER_MSEC});
    fake_link.rate = 20000;
    assert_true(mig_bench_run_to_source(b, SOURCE_STOPPING, 40000));
    fake_link.black_hole = true;
    uint64_t paused = fake_time_ns;
    while (vm_get_state(b->vm) == VM_PAUSED)
        mig_bench_step(b);
    assert_true(fake_time_ns - paused <= 22 * NSEC_PER_MSEC);
    assert_int_equal(vm_get_state(b->vm), VM_RUNNING);
    fake_link.black_hole = false;
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_stayed(b);
    assert_non_null(strstr(b->why[0].text, "deadline"));
    mig_bench_end(b);
}

static void test_faults_guest_that_ends_meanwhile(void **state) {
    (void)state;
    struct mig_bench *b = begin_slow(1);
    reach(b, SOURCE_PRECOPY);
    fake_vm_crash(b->vm);
    fake_link.rate = 64 * 1024;
    assert_true(mig_bench_run(b, 40000));
    assert_int_equal(vm_get_state(b->vm), VM_CRASHED);
    assert_int_equal(fake_vm_count(1), 0);
    assert_int_equal(fake_vm_log_count(), 0);
    mig_bench_end(b);
}

static void test_faults_second_start_is_refused(void **state) {
    (void)state;
    struct mig_bench *b = begin_slow(1);
    struct reason why;
    reach(b, SOURCE_PRECOPY);
    assert_int_equal(mig_bench_try(b, NULL, &why), ERR_BUSY);
    assert_non_null(strstr(why.text, "already"));
    fake_link.rate = 64 * 1024;
    assert_true(mig_bench_run(b, 40000));
    mig_bench_expect_moved(b);
    mig_bench_end(b);
}

static void test_faults_strangers_do_not_block_a_migration(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(1, 2 * MIB);
    uint8_t noise[512];
    for (unsigned i = 0; i < 20; i++) {
        struct stream *s = fake_raw_connect(0, 1, WIRE_PORT);
        memset(noise, (int)(i * 37 + 1), sizeof noise);
        if (s != NULL && i % 2)
            assert_int_equal(stream_write(s, noise, sizeof noise), OK);
        mig_bench_step(b);
    }
    mig_bench_start(b, NULL);
    (void)mig_bench_run(b, 40000);
    assert_int_equal(fake_vm_running("web"), 1);
    assert_int_equal(fake_vm_count(0), 0);
    assert_true(mig_bench_run(b, 40000)); /* those who said nothing were shown the door */
    mig_bench_end(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_cancel_by_the_source_in_every_state),
        cmocka_unit_test(test_faults_cancel_by_the_target),
        cmocka_unit_test(test_faults_lost_link_before_commit_in_every_state),
        cmocka_unit_test(test_faults_lost_commit_is_asked_again),
        cmocka_unit_test(test_faults_commit_after_the_lease_is_answered_aborted),
        cmocka_unit_test(test_faults_lost_started_is_asked_again),
        cmocka_unit_test(test_faults_refusals_give_their_reason),
        cmocka_unit_test(test_faults_local_failures_roll_back),
        cmocka_unit_test(test_faults_dry_run_moves_nothing),
        cmocka_unit_test(test_faults_page_damaged_on_the_way_is_found),
        cmocka_unit_test(test_faults_own_stall_is_not_the_peers_silence),
        cmocka_unit_test(test_faults_audit_finds_damage_in_the_targets_memory),
        cmocka_unit_test(test_faults_guest_that_dirties_too_fast_stays),
        cmocka_unit_test(test_faults_pause_never_outlasts_its_deadline),
        cmocka_unit_test(test_faults_guest_that_ends_meanwhile),
        cmocka_unit_test(test_faults_second_start_is_refused),
        cmocka_unit_test(test_faults_strangers_do_not_block_a_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
