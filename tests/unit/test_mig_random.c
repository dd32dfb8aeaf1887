/* SPDX-License-Identifier: MIT */
/* Seeded random migrations with faults at every step: the invariants I1 to I5 hold in each of them.
 * GODWIT_RUNS sets how many (default below), GODWIT_SEED runs one seed alone and prints what happened. */
#include "tests/unit/mig_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_RUNS 1000
#define FAULT_STEPS 150
#define HEALED_STEPS 40000

struct plan {
    unsigned at[4]; /* steps at which something happens */
    unsigned kind[4];
    unsigned nr;
    unsigned hole_until, refuse_until;
    bool rebooted[2];
};

static unsigned totals[16]; /* how runs ended, to see that all ends are reached */

static const char *const kinds[] = {"cut",           "black hole",    "cancel source", "cancel target",
                                    "corrupt",       "corrupt back",  "refuse",        "reboot target",
                                    "reboot source", "fail activate", "fail load",     "never enter",
                                    "crash guest",   "fail save",     "nothing"};

static void make_plan(struct plan *p, struct fake_random *r) {
    memset(p, 0, sizeof *p);
    p->nr = (unsigned)fake_random_below(r, 4);
    for (unsigned i = 0; i < p->nr; i++) {
        p->at[i] = (unsigned)fake_random_below(r, FAULT_STEPS);
        p->kind[i] = (unsigned)fake_random_below(r, ARRAY_LEN(kinds));
    }
}

static void cancel(struct mig_bench *b, unsigned host) {
    struct vm *vm = fake_vm_on(host, "web");
    fake_host = host;
    if (vm != NULL)
        (void)!host_cancel(&b->host[host], vm, NULL);
}

static void inject(struct mig_bench *b, struct plan *p, unsigned kind, unsigned step, struct fake_random *r) {
    switch (kind) {
    case 0: fake_link.cut = true; break;
    case 1:
        fake_link.black_hole = true;
        p->hole_until = step + (unsigned)fake_random_below(r, 20000);
        break;
    case 2: cancel(b, 0); break;
    case 3: cancel(b, 1); break;
    case 4: fake_link.corrupt_at = fake_link.carried + 1 + fake_random_below(r, 100000); break;
    case 5: fake_link.corrupt_back_at = 1 + fake_random_below(r, 2000); break;
    case 6:
        fake_link.refuse = true;
        p->refuse_until = step + (unsigned)fake_random_below(r, 5000);
        break;
    case 7:
        mig_bench_reboot(b, 1);
        p->rebooted[1] = true;
        break;
    case 8:
        mig_bench_reboot(b, 0);
        p->rebooted[0] = true;
        b->vm = NULL;
        break;
    case 9: fake_vm_host[1].fail_activate = true; break;
    case 10: fake_vm_host[1].fail_section_load = true; break;
    case 11: fake_vm_host[1].never_enter = true; break;
    case 12:
        if (fake_vm_on(0, "web") != NULL && vm_get_state(fake_vm_on(0, "web")) == VM_RUNNING)
            fake_vm_crash(fake_vm_on(0, "web"));
        break;
    case 13: fake_vm_host[0].fail_section_save = true; break;
    default: break;
    }
}

/* The target rebooted after COMMIT: only an operator can say. He looks, and tells what he saw. */
static void resolve_doubt(struct mig_bench *b) {
    struct session *s = mig_bench_session(b, 0, MIGRATE_SOURCE);
    if (s == NULL || !source_is_committed(s->src.m.state))
        return;
    fake_host = 0;
    bool there = fake_vm_on(1, "web") != NULL && vm_get_state(fake_vm_on(1, "web")) == VM_RUNNING;
    assert_int_equal(host_resolve(&b->host[0], s->vm, !there, NULL), OK);
}

static void check_end(struct mig_bench *b, const struct plan *p, uint64_t seed) {
    unsigned running = fake_vm_running("web"), copies = fake_vm_count(0) + fake_vm_count(1);
    struct vm *left = fake_vm_on(0, "web") != NULL ? fake_vm_on(0, "web") : fake_vm_on(1, "web");
    bool crashed = left != NULL && vm_get_state(left) == VM_CRASHED;
    bool lost = p->rebooted[0] || p->rebooted[1];
    bool sound = fake_vm_violation() == NULL && copies <= 1 &&
                 (running == 1 || (crashed && copies == 1) || (lost && copies == 0)) &&
                 fake_vm_log_count() == 0;
    if (!sound || getenv("GODWIT_SEED") != NULL)
        print_message("seed %lu: running %u, copies %u, final %s / %s, %s\n", (unsigned long)seed, running,
                      copies, migrate_event_str(b->final[0]), migrate_event_str(b->final[1]),
                      fake_vm_violation() != NULL ? fake_vm_violation() : "no violation");
    assert_true(sound);
    totals[b->final[0]]++;
}

static void one_run(uint64_t seed) {
    struct fake_random r = {seed * 0x9e3779b97f4a7c15ull + 1};
    struct plan p;
    struct mig_bench *b = mig_bench_begin(seed, 2 * MIB);
    bool talk = getenv("GODWIT_SEED") != NULL;
    unsigned step = 0;
    make_plan(&p, &r);
    fake_link.rate = 200 + fake_random_below(&r, 60000);
    fake_link.piece = fake_random_below(&r, 2) ? 1 + fake_random_below(&r, 3000) : 0;
    fake_vm_host[0].dirty_pages = (unsigned)fake_random_below(&r, 12);
    mig_bench_start(b, NULL);
    for (; step < FAULT_STEPS; step++) {
        for (unsigned i = 0; i < p.nr; i++)
            if (p.at[i] == step) {
                if (talk)
                    print_message("step %u: %s\n", step, kinds[p.kind[i]]);
                inject(b, &p, p.kind[i], step, &r);
            }
        mig_bench_step(b);
        fake_link.black_hole &= step < p.hole_until;
        fake_link.refuse &= step < p.refuse_until;
    }
    for (; step < HEALED_STEPS && !mig_bench_is_idle(b); step++) {
        fake_link.black_hole &= step < p.hole_until;
        fake_link.refuse &= step < p.refuse_until;
        fake_link.rate = 64 * 1024;
        mig_bench_step(b);
    }
    if (p.rebooted[1] || p.rebooted[0])
        resolve_doubt(b);
    if (!mig_bench_run(b, 20000))
        print_message("seed %lu: not over after %lu steps, %lu ms; source %s, target %s\n",
                      (unsigned long)seed, (unsigned long)b->now_step,
                      (unsigned long)(fake_time_ns / NSEC_PER_MSEC),
                      source_state_str(b->host[0].session[0].src.m.state),
                      target_state_str(b->host[1].session[0].tgt.m.state));
    assert_true(mig_bench_is_idle(b));
    check_end(b, &p, seed);
    mig_bench_end(b);
}

static void test_mig_random_faults_break_no_invariant(void **state) {
    (void)state;
    const char *one = getenv("GODWIT_SEED"), *runs = getenv("GODWIT_RUNS");
    unsigned long n = runs != NULL ? strtoul(runs, NULL, 10) : DEFAULT_RUNS;
    if (one != NULL) {
        one_run(strtoul(one, NULL, 10));
        return;
    }
    for (unsigned long seed = 1; seed <= n; seed++)
        one_run(seed);
    print_message("%lu runs, 0 violations: %u moved, %u failed, %u cancelled\n", n,
                  totals[MIGRATE_EV_COMPLETED], totals[MIGRATE_EV_FAILED], totals[MIGRATE_EV_CANCELLED]);
    assert_true(n < 1000 || (totals[MIGRATE_EV_COMPLETED] > n / 10 && totals[MIGRATE_EV_FAILED] > n / 20 &&
                             totals[MIGRATE_EV_CANCELLED] > n / 100));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mig_random_faults_break_no_invariant)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
