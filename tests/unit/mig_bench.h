/* SPDX-License-Identifier: MIT */
/* mig_bench.h - two fake hosts (0 = source, 1 = target) with a VM "web" on host 0, driven step by step.
 * One step: the network moves, both hosts poll, guests run, 1 ms passes (during a blackout only 0.1 ms). */
#ifndef TESTS_UNIT_MIG_BENCH_H
#define TESTS_UNIT_MIG_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own; use assert_* here */

#include "migration/session.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/fake_stream.h"
#include "tests/unit/fake_vm.h"

#define MIG_BENCH_HOSTS 2

struct mig_bench {
    struct migration_host host[MIG_BENCH_HOSTS];
    struct vm *vm;
    uint64_t now_step;
    enum migrate_event final[MIG_BENCH_HOSTS]; /* last final event per host, 0 = none */
    struct reason why[MIG_BENCH_HOSTS];
    unsigned events[MIG_BENCH_HOSTS][32]; /* how often each came */
    uint32_t percent[MIG_BENCH_HOSTS];
    bool percent_fell;
};

struct mig_bench *mig_bench_begin(uint64_t seed, uint64_t vm_bytes);
void mig_bench_end(struct mig_bench *b); /* asserts that nothing leaked: sessions, streams, dirty logs */
void mig_bench_start(struct mig_bench *b, const struct migrate_options *opt);
result_t mig_bench_try(struct mig_bench *b, const struct migrate_options *opt, struct reason *why);
void mig_bench_step(struct mig_bench *b);
/* mig_bench_run - until both hosts have no session left; false after max steps. */
bool mig_bench_is_idle(const struct mig_bench *b);
bool mig_bench_run(struct mig_bench *b, unsigned max);
/* mig_bench_run_to_source / _to_target - until a session of that side is in the state; false after max
 * steps. */
bool mig_bench_run_to_source(struct mig_bench *b, enum source_state s, unsigned max);
bool mig_bench_run_to_target(struct mig_bench *b, enum target_state s, unsigned max);
struct session *mig_bench_session(struct mig_bench *b, unsigned host, enum migrate_role role);
void mig_bench_expect_moved(struct mig_bench *b);  /* runs on 1 only, nothing is left on 0 */
void mig_bench_expect_stayed(struct mig_bench *b); /* runs on 0 only, nothing is left on 1 */
/* mig_bench_reboot - a host crashes and comes back with a new boot id. */
void mig_bench_reboot(struct mig_bench *b, unsigned host);

#endif
