/* SPDX-License-Identifier: MIT */
/* test_sched_queue.c - CPUs that run vCPUs by the queue's rules, in simulated time: who gets how much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/sched_queue.h"

#define MAX_CPUS 4u
#define MAX_VCPUS 16u
#define SLICE 1000u
#define BALANCE 10000u
#define CREDIT 2000u

/* A vCPU that computes for `busy` ticks, then sleeps for `idle`; idle 0: it never sleeps. */
struct fake {
    struct sched_entity e;
    uint64_t busy, idle;
    uint64_t left;    /* of the present stretch of work */
    uint64_t wake_at; /* asleep until then */
    uint64_t longest_wait, woke_at;
    bool yields;
};

static struct fake fake[MAX_VCPUS];
static struct sched_queue queue[MAX_CPUS];
static uint64_t cpu_time[MAX_CPUS];

static struct fake *fake_of(struct sched_entity *e) {
    return container_of(e, struct fake, e);
}

static bool is_ready(struct sched_entity *e, uint64_t now) {
    struct fake *f = fake_of(e);
    if (f->left != 0)
        return true;
    if (now < f->wake_at)
        return false;
    f->left = f->busy;
    f->woke_at = f->wake_at;
    return true;
}

static void run_one(unsigned cpu) {
    struct sched_queue *q = &queue[cpu];
    uint64_t now = cpu_time[cpu];
    struct sched_entity *e = sched_queue_pick(q, now, CREDIT, is_ready);
    if (e == NULL) {
        cpu_time[cpu] = now + 10;
        return;
    }
    struct fake *f = fake_of(e);
    uint64_t time = MIN(f->left, SLICE);
    if (f->woke_at != 0)
        f->longest_wait = MAX(f->longest_wait, now - f->woke_at);
    f->woke_at = 0;
    cpu_time[cpu] = now + time;
    sched_queue_account(q, e, now, now + time);
    f->left -= f->idle == 0 ? 0 : time;
    e->is_yielding = f->yields;
    if (f->left == 0) {
        f->wake_at = now + time + f->idle;
        e->ready_tsc = 0;
    }
}

static void balance(unsigned cpu, unsigned nr_cpus) {
    uint32_t ready[MAX_CPUS];
    struct sched_queue *q = &queue[cpu];
    if (q->nr_ready < 2 || cpu_time[cpu] < q->balance_tsc)
        return;
    q->balance_tsc = cpu_time[cpu] + BALANCE;
    for (unsigned i = 0; i < nr_cpus; i++)
        ready[i] = queue[i].nr_ready;
    int32_t to = sched_better_cpu(ready, nr_cpus, cpu);
    if (to == SCHED_NO_CPU)
        return;
    struct sched_entity *e = sched_queue_oldest(q);
    sched_queue_remove(q, e);
    sched_queue_add(&queue[to], e);
    queue[to].balance_tsc = cpu_time[to] + BALANCE;
}

/* All CPUs advance together until the time is up. */
static void simulate(unsigned nr_cpus, uint64_t until) {
    for (;;) {
        unsigned next = 0;
        for (unsigned i = 1; i < nr_cpus; i++)
            if (cpu_time[i] < cpu_time[next])
                next = i;
        if (cpu_time[next] >= until)
            return;
        run_one(next);
        balance(next, nr_cpus);
    }
}

static int setup(void **state) {
    (void)state;
    memset(fake, 0, sizeof fake);
    memset(queue, 0, sizeof queue);
    memset(cpu_time, 0, sizeof cpu_time);
    return 0;
}

static void add(unsigned vcpu, unsigned cpu, uint64_t busy, uint64_t idle) {
    fake[vcpu].busy = fake[vcpu].left = busy;
    fake[vcpu].idle = idle;
    sched_queue_add(&queue[cpu], &fake[vcpu].e);
}

static void assert_share(unsigned vcpu, uint64_t expected) {
    assert_in_range(fake[vcpu].e.run_tsc, expected - expected / 20, expected + expected / 20);
}

static void test_sched_queue_busy_ones_share_a_cpu(void **state) {
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        add(i, 0, 1, 0);
    simulate(1, 1000000);
    for (unsigned i = 0; i < 5; i++)
        assert_share(i, 200000);
}

/* Wherever they begin: all on one CPU, in an odd number. */
static void test_sched_queue_balance_gives_equal_shares(void **state) {
    for (unsigned cpus = 2; cpus <= MAX_CPUS; cpus++)
        for (unsigned n = cpus; n <= 9; n++) {
            setup(state);
            for (unsigned i = 0; i < n; i++)
                add(i, 0, 1, 0);
            simulate(cpus, 4000000);
            for (unsigned i = 0; i < n; i++)
                assert_in_range(fake[i].e.run_tsc, 4000000ull * cpus / n * 9 / 10, 4000000ull * cpus / n * 11 / 10);
        }
}

/* Work for 100, sleep for 900, beside three that never rest: it waits for one slice at most, and loses nothing. */
static void test_sched_queue_sleeper_gets_the_cpu_soon(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        add(i, 0, 1, 0);
    add(3, 0, 100, 9900);
    simulate(1, 1000000);
    assert_in_range(fake[3].longest_wait, 0, SLICE);
    assert_share(0, 330000);
}

/* A long sleep is no credit: afterwards it does not have the CPU alone. */
static void test_sched_queue_sleep_is_not_saved_up(void **state) {
    (void)state;
    add(0, 0, 1, 0);
    add(1, 0, 1, 0);
    fake[1].left = 0;
    fake[1].wake_at = 500000;
    simulate(1, 600000);
    assert_in_range(fake[1].e.run_tsc, 50000, 50000 + CREDIT + SLICE);
}

/* One that spins for the other's lock lets it go first although it is behind. */
static void test_sched_queue_yield_lets_others_go_first(void **state) {
    (void)state;
    add(0, 0, 1, 0);
    add(1, 0, 1, 0);
    fake[0].e.virtual_tsc = 0;
    fake[1].e.virtual_tsc = 500;
    fake[0].e.ready_tsc = fake[1].e.ready_tsc = 1;
    assert_ptr_equal(sched_queue_pick(&queue[0], 1, CREDIT, is_ready), &fake[0].e);
    fake[0].e.is_yielding = true;
    assert_ptr_equal(sched_queue_pick(&queue[0], 1, CREDIT, is_ready), &fake[1].e);
    assert_ptr_equal(sched_queue_pick(&queue[0], 1, CREDIT, is_ready), &fake[0].e); /* once */
}

static void test_sched_queue_waiting_time_is_counted(void **state) {
    (void)state;
    add(0, 0, 1, 0);
    add(1, 0, 1, 0);
    simulate(1, 100000);
    assert_in_range(fake[0].e.wait_tsc, 48000, 52000);
    assert_in_range(fake[1].e.wait_tsc, 48000, 52000);
}

static void test_sched_queue_membership(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        add(i, 0, 1, 0);
    assert_int_equal(queue[0].load, 3);
    sched_queue_remove(&queue[0], &fake[1].e);
    assert_false(sched_queue_has(&queue[0], &fake[1].e));
    assert_true(sched_queue_has(&queue[0], &fake[0].e));
    assert_true(sched_queue_has(&queue[0], &fake[2].e));
    assert_int_equal(queue[0].load, 2);
    assert_null(sched_queue_oldest(&queue[0])); /* nobody was picked from yet */
}

static void test_sched_better_cpu(void **state) {
    (void)state;
    const uint32_t ready[] = {3, 1, UINT32_MAX, 1};
    assert_int_equal(sched_better_cpu(ready, 4, 0), 1);
    assert_int_equal(sched_better_cpu(ready, 4, 1), SCHED_NO_CPU);
    assert_int_equal(sched_better_cpu(ready, 1, 0), SCHED_NO_CPU);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sched_queue_busy_ones_share_a_cpu, setup),
        cmocka_unit_test_setup(test_sched_queue_balance_gives_equal_shares, setup),
        cmocka_unit_test_setup(test_sched_queue_sleeper_gets_the_cpu_soon, setup),
        cmocka_unit_test_setup(test_sched_queue_sleep_is_not_saved_up, setup),
        cmocka_unit_test_setup(test_sched_queue_yield_lets_others_go_first, setup),
        cmocka_unit_test_setup(test_sched_queue_waiting_time_is_counted, setup),
        cmocka_unit_test_setup(test_sched_queue_membership, setup),
        cmocka_unit_test_setup(test_sched_better_cpu, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
