/* SPDX-License-Identifier: MIT */
/* Both step machines, exhaustively: from every reachable condition every event, early and late, matching and
 * not. Every legal edge must be taken, no other, and the rules of the hand-over must hold at each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "migration/source.h"
#include "migration/target.h"

#include <string.h>

#define NOW 1000000ull
#define LATE (1000 * NSEC_PER_SEC)
#define MAX_CONDITIONS 512

static const struct source_times source_times = {.connect = 5 * NSEC_PER_SEC,
                                                 .hello = 5 * NSEC_PER_SEC,
                                                 .offer = 30 * NSEC_PER_SEC,
                                                 .silent = 5 * NSEC_PER_SEC,
                                                 .retry = NSEC_PER_SEC,
                                                 .deadline = 2 * NSEC_PER_SEC};
static const struct target_times target_times = {
    .greeting = 5 * NSEC_PER_SEC, .silent = 5 * NSEC_PER_SEC, .lease = 10 * NSEC_PER_SEC};

static struct source_machine source_seen[MAX_CONDITIONS];
static struct target_machine target_seen[MAX_CONDITIONS];
static unsigned nr_seen;

/* Only what later steps depend on. */
static void add_source(struct source_machine m) {
    m.since_ns = m.heard_ns = m.paused_ns = NOW;
    m.code = 0;
    memset(&m.why, 0, sizeof m.why);
    for (unsigned i = 0; i < nr_seen; i++)
        if (source_seen[i].state == m.state && source_seen[i].dry_run == m.dry_run &&
            source_seen[i].linked == m.linked && source_seen[i].paused == m.paused &&
            source_seen[i].logging == m.logging)
            return;
    assert_true(nr_seen < MAX_CONDITIONS);
    source_seen[nr_seen++] = m;
}

static void check_source(const struct source_machine *a, const struct source_event *ev,
                         const struct source_machine *b, uint32_t act) {
    bool was_committed = source_is_committed(a->state);
    bool proof = ev->type == SOURCE_EV_ABORTED && ev->match && a->state == SOURCE_COMMITTED;
    bool fenced = ev->type == SOURCE_EV_KEEP && a->state == SOURCE_IN_DOUBT;
    bool freed = (ev->type == SOURCE_EV_STARTED && ev->match && a->state == SOURCE_COMMITTED) ||
                 (ev->type == SOURCE_EV_GIVE && a->state == SOURCE_IN_DOUBT);
    if (a->state != b->state)
        assert_true(source_edge_is_legal(a->state, b->state));
    if (was_committed && (act & SOURCE_ACT_RESUME))
        assert_true(proof || fenced);
    if (was_committed && b->state == SOURCE_FAILED)
        assert_true((proof || fenced) && (act & SOURCE_ACT_RESUME));
    if (act & SOURCE_ACT_SEND_DONE) /* actions are carried out in bit order */
        assert_true((act & (SOURCE_ACT_SEND_DONE - 1)) & SOURCE_ACT_FREE_VM);
    if (!was_committed && a->paused && b->state == SOURCE_FAILED)
        assert_true(act & SOURCE_ACT_RESUME);
    assert_int_equal((act & SOURCE_ACT_FREE_VM) != 0, freed);
    if (act & SOURCE_ACT_SEND_COMMIT)
        assert_true((ev->type == SOURCE_EV_READY && ev->match && a->state == SOURCE_SEALED &&
                     (act & SOURCE_ACT_MARK_IN_DOUBT)) ||
                    a->state == SOURCE_RECONNECTING);
    if (a->state == SOURCE_SEALED && ev->now_ns - a->paused_ns >= a->times.deadline)
        assert_int_equal(act & SOURCE_ACT_SEND_COMMIT, 0);
    if (b->state == SOURCE_FAILED && a->state != b->state && a->logging)
        assert_true(act & SOURCE_ACT_STOP_LOG);
    assert_int_equal((act & SOURCE_ACT_FINISH) != 0, source_is_final(b->state) && a->state != b->state);
    if (source_is_final(a->state))
        assert_int_equal(act, 0);
}

static void test_source_machine_every_event_in_every_condition(void **state) {
    (void)state;
    uint64_t taken[SOURCE_NR_STATES] = {0};
    struct source_machine m;
    nr_seen = 0;
    for (int dry = 0; dry < 2; dry++) {
        assert_int_equal(source_init(&m, &source_times, dry != 0, NOW), SOURCE_ACT_CONNECT);
        add_source(m);
    }
    for (unsigned i = 0; i < nr_seen; i++)
        for (unsigned type = 1; type < SOURCE_NR_EVENTS; type++)
            for (unsigned variant = 0; variant < 12; variant++) {
                struct source_event ev = {.type = (enum source_event_type)type,
                                          .now_ns = NOW + (variant & 1 ? LATE : 0),
                                          .match = variant & 2,
                                          .decision = (enum policy_decision)(1 + variant / 4),
                                          .code = WIRE_CODE_INTERNAL,
                                          .text = "why"};
                struct source_machine before = source_seen[i];
                m = before;
                uint32_t act = source_step(&m, &ev);
                check_source(&before, &ev, &m, act);
                taken[before.state] |= before.state != m.state ? BIT(m.state) : 0;
                add_source(m);
            }
    for (unsigned a = 1; a < SOURCE_NR_STATES; a++)
        for (unsigned b = 1; b < SOURCE_NR_STATES; b++)
            assert_int_equal((taken[a] & BIT(b)) != 0,
                             source_edge_is_legal((enum source_state)a, (enum source_state)b));
}

static void add_target(struct target_machine m) {
    m.since_ns = m.begun_ns = m.heard_ns = NOW;
    m.code = 0;
    memset(&m.why, 0, sizeof m.why);
    for (unsigned i = 0; i < nr_seen; i++)
        if (target_seen[i].state == m.state && target_seen[i].linked == m.linked)
            return;
    assert_true(nr_seen < MAX_CONDITIONS);
    target_seen[nr_seen++] = m;
}

static void check_target(const struct target_machine *a, const struct target_event *ev,
                         const struct target_machine *b, uint32_t act) {
    bool commit = ev->type == TARGET_EV_COMMIT && ev->match && a->state == TARGET_READY;
    if (a->state != b->state)
        assert_true(target_edge_is_legal(a->state, b->state));
    assert_int_equal((act & TARGET_ACT_ACTIVATE) != 0, commit);
    if (!target_owns_guest(a->state))
        assert_int_equal(target_owns_guest(b->state), commit);
    if (act & (TARGET_ACT_SEND_ABORTED | TARGET_ACT_REMEMBER_ABORTED))
        assert_true((act & TARGET_ACT_DESTROY) && (act & TARGET_ACT_REMEMBER_ABORTED) &&
                    b->state == TARGET_ABORTED);
    if (b->state == TARGET_ABORTED && a->state != b->state)
        assert_true(act & TARGET_ACT_DESTROY);
    if (a->state == TARGET_STARTED || a->state == TARGET_DONE)
        assert_int_equal(act & TARGET_ACT_DESTROY, 0);
    if (act & TARGET_ACT_SEND_STARTED)
        assert_true(b->state == TARGET_STARTED);
    if (b->state == TARGET_STARTED && a->state != b->state)
        assert_true((act & TARGET_ACT_REMEMBER_STARTED) && ev->type == TARGET_EV_FIRST_ENTRY);
    if (act & TARGET_ACT_SEND_READY)
        assert_true(ev->type == TARGET_EV_SEAL && ev->match && b->state == TARGET_READY);
    if (ev->type == TARGET_EV_LINK_LOST && a->state == TARGET_READY)
        assert_int_equal(b->state, TARGET_READY);
    assert_int_equal((act & TARGET_ACT_FINISH) != 0, target_is_final(b->state) && a->state != b->state);
}

static void test_target_machine_every_event_in_every_condition(void **state) {
    (void)state;
    uint64_t taken[TARGET_NR_STATES] = {0};
    struct target_machine m;
    nr_seen = 0;
    target_init(&m, &target_times, NOW);
    add_target(m);
    for (unsigned i = 0; i < nr_seen; i++)
        for (unsigned type = 1; type < TARGET_NR_EVENTS; type++)
            for (unsigned variant = 0; variant < 4; variant++) {
                struct target_event ev = {.type = (enum target_event_type)type,
                                          .now_ns = NOW + (variant & 1 ? LATE : 0),
                                          .match = variant & 2,
                                          .code = WIRE_CODE_INTERNAL,
                                          .text = "why"};
                struct target_machine before = target_seen[i];
                m = before;
                uint32_t act = target_step(&m, &ev);
                check_target(&before, &ev, &m, act);
                taken[before.state] |= before.state != m.state ? BIT(m.state) : 0;
                add_target(m);
            }
    for (unsigned a = 1; a < TARGET_NR_STATES; a++)
        for (unsigned b = 1; b < TARGET_NR_STATES; b++)
            assert_int_equal((taken[a] & BIT(b)) != 0,
                             target_edge_is_legal((enum target_state)a, (enum target_state)b));
}

static void test_machines_time_limits_are_exact(void **state) {
    (void)state;
    struct source_machine s;
    struct target_machine t;
    (void)source_init(&s, &source_times, false, NOW);
    struct source_event tick = {.type = SOURCE_EV_TICK, .now_ns = NOW + source_times.connect - 1};
    assert_int_equal(source_step(&s, &tick), 0);
    tick.now_ns++;
    assert_true(source_step(&s, &tick) & SOURCE_ACT_FINISH);
    assert_int_equal(s.code, WIRE_CODE_LINK);
    target_init(&t, &target_times, NOW);
    t.state = TARGET_READY;
    struct target_event late = {.type = TARGET_EV_TICK, .now_ns = NOW + target_times.lease - 1};
    assert_int_equal(target_step(&t, &late), 0);
    late.now_ns++;
    assert_true(target_step(&t, &late) & TARGET_ACT_DESTROY);
    assert_int_equal(t.code, WIRE_CODE_LEASE);
}

/* HELLO and OFFER share one limit: a stranger cannot stretch it record by record. */
static void test_target_machine_greeting_has_one_limit(void **state) {
    (void)state;
    struct target_machine m;
    struct target_event hello = {.type = TARGET_EV_HELLO, .now_ns = NOW + 3 * NSEC_PER_SEC, .match = true};
    struct target_event tick = {.type = TARGET_EV_TICK, .now_ns = NOW + target_times.greeting - 1};
    target_init(&m, &target_times, NOW);
    (void)target_step(&m, &hello);
    (void)target_step(&m, &tick);
    assert_int_equal(m.state, TARGET_WAIT_OFFER);
    tick.now_ns++;
    (void)target_step(&m, &tick);
    assert_int_equal(m.state, TARGET_CLOSED);
}

static void test_machines_have_names_for_everything(void **state) {
    (void)state;
    for (unsigned i = 0; i < SOURCE_NR_STATES; i++)
        assert_non_null(source_state_str((enum source_state)i));
    for (unsigned i = 0; i < SOURCE_NR_EVENTS; i++)
        assert_non_null(source_event_str((enum source_event_type)i));
    for (unsigned i = 0; i < TARGET_NR_STATES; i++)
        assert_non_null(target_state_str((enum target_state)i));
    for (unsigned i = 0; i < TARGET_NR_EVENTS; i++)
        assert_non_null(target_event_str((enum target_event_type)i));
    for (unsigned i = 1; i < WIRE_NR_CODES; i++)
        assert_string_not_equal(wire_code_str(i), "unknown");
    assert_string_equal(source_state_str(SOURCE_NR_STATES), "unknown");
    assert_string_equal(target_state_str(TARGET_NR_STATES), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_machine_every_event_in_every_condition),
        cmocka_unit_test(test_target_machine_every_event_in_every_condition),
        cmocka_unit_test(test_machines_time_limits_are_exact),
        cmocka_unit_test(test_target_machine_greeting_has_one_limit),
        cmocka_unit_test(test_machines_have_names_for_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
