/* SPDX-License-Identifier: MIT */
#include "tests/unit/mig_bench.h"

#include <stdlib.h>
#include <string.h>

static bool is_final(enum migrate_event e) {
    return e >= MIGRATE_EV_COMPLETED;
}

static void on_event(void *ctx, enum migrate_event e, const struct migrate_status *st,
                     const struct migrate_report *r) {
    struct mig_bench *b = ctx;
    assert_true(is_final(e) == (r != NULL));
    b->events[fake_host][e]++;
    if (is_final(e)) {
        b->final[fake_host] = e;
        b->why[fake_host] = r->why;
    }
    b->percent_fell |= st->percent < b->percent[fake_host] && e != MIGRATE_EV_STARTED &&
                       e != MIGRATE_EV_INCOMING;
    b->percent[fake_host] = st->percent;
}

static void boot_host(struct mig_bench *b, unsigned host, uint8_t boot) {
    struct migration_config cfg = {.event = on_event, .event_ctx = b};
    memcpy(cfg.host, host == 0 ? "alpha" : "bravo", 6);
    memset(cfg.boot_id, (int)(host * 64 + boot), sizeof cfg.boot_id);
    fake_host = host;
    if (host_init(&b->host[host], &cfg, NULL) != OK)
        abort();
}

struct mig_bench *mig_bench_begin(uint64_t seed, uint64_t vm_bytes) {
    struct mig_bench *b = calloc(1, sizeof *b);
    fake_host_reset();
    fake_stream_reset();
    fake_vm_reset(seed);
    fake_offset_ns[1] = 7777777777;
    for (unsigned h = 0; h < MIG_BENCH_HOSTS; h++)
        boot_host(b, h, 1);
    b->vm = fake_vm_boot(0, "web", vm_bytes);
    return b;
}

void mig_bench_reboot(struct mig_bench *b, unsigned host) {
    fake_host = host;
    host_exit(&b->host[host]); /* peers see resets */
    fake_vm_lose_host(host);
    boot_host(b, host, (uint8_t)(b->host[host].cfg.boot_id[0] + 1));
}

void mig_bench_end(struct mig_bench *b) {
    assert_null(fake_vm_violation());
    for (unsigned h = 0; h < MIG_BENCH_HOSTS; h++) {
        for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++)
            assert_false(b->host[h].session[i].used);
        fake_host = h;
        host_exit(&b->host[h]);
    }
    fake_link.black_hole = fake_link.refuse = false;
    for (unsigned i = 0; i < 1000 && fake_stream_open_count() > 0; i++)
        fake_stream_poll();
    assert_int_equal(fake_stream_open_count(), 0);
    assert_int_equal(fake_vm_log_count(), 0);
    fake_stream_reset();
    fake_vm_reset(0);
    free(b);
}

result_t mig_bench_try(struct mig_bench *b, const struct migrate_options *opt, struct reason *why) {
    fake_host = 0;
    return host_start(&b->host[0], b->vm, (struct net_addr){.ipv4 = 0x0a000002}, opt, why);
}

void mig_bench_start(struct mig_bench *b, const struct migrate_options *opt) {
    struct reason why = {{0}};
    assert_int_equal(mig_bench_try(b, opt, &why), OK);
}

void mig_bench_step(struct mig_bench *b) {
    bool more = fake_stream_poll();
    for (unsigned h = 0; h < MIG_BENCH_HOSTS; h++) {
        fake_host = h;
        more |= host_poll(&b->host[h]);
    }
    fake_vm_run();
    fake_time_ns += more ? 100000 : NSEC_PER_MSEC;
    b->now_step++;
}

bool mig_bench_is_idle(const struct mig_bench *b) {
    for (unsigned h = 0; h < MIG_BENCH_HOSTS; h++)
        for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++)
            if (b->host[h].session[i].used)
                return false;
    return true;
}

bool mig_bench_run(struct mig_bench *b, unsigned max) {
    while (max-- > 0 && !mig_bench_is_idle(b))
        mig_bench_step(b);
    return mig_bench_is_idle(b);
}

struct session *mig_bench_session(struct mig_bench *b, unsigned host, enum migrate_role role) {
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++)
        if (b->host[host].session[i].used && b->host[host].session[i].role == role)
            return &b->host[host].session[i];
    return NULL;
}

bool mig_bench_run_to_source(struct mig_bench *b, enum source_state s, unsigned max) {
    for (; max > 0; max--) {
        const struct session *x = mig_bench_session(b, 0, MIGRATE_SOURCE);
        if (x != NULL && x->src.m.state == s)
            return true;
        mig_bench_step(b);
    }
    return false;
}

bool mig_bench_run_to_target(struct mig_bench *b, enum target_state s, unsigned max) {
    for (; max > 0; max--) {
        const struct session *x = mig_bench_session(b, 1, MIGRATE_TARGET);
        if (x != NULL && x->tgt.m.state == s)
            return true;
        mig_bench_step(b);
    }
    return false;
}

void mig_bench_expect_moved(struct mig_bench *b) {
    assert_null(fake_vm_violation());
    assert_int_equal(fake_vm_count(0), 0);
    assert_int_equal(fake_vm_count(1), 1);
    assert_int_equal(fake_vm_running("web"), 1);
    assert_int_equal(b->final[0], MIGRATE_EV_COMPLETED);
    assert_int_equal(b->final[1], MIGRATE_EV_COMPLETED);
    assert_false(b->percent_fell);
}

void mig_bench_expect_stayed(struct mig_bench *b) {
    assert_null(fake_vm_violation());
    assert_int_equal(fake_vm_count(0), 1);
    assert_int_equal(fake_vm_count(1), 0);
    assert_int_equal(fake_vm_running("web"), 1);
    assert_int_equal(vm_get_state(b->vm), VM_RUNNING);
    assert_int_equal(fake_vm_log_count(), 0);
}
