/* SPDX-License-Identifier: MIT */
/* Carries out what source_step says: connection, records, the VM. No decision is taken here. */
#include "migration/session.h"

#include "kernel/log.h"
#include "kernel/time.h"

#include <string.h>

static void note_failure(struct session *s, uint32_t code, const struct reason *why) {
    s->failed_code = code;
    s->failed_why = *why;
}

static void send_hello(struct session *s) {
    struct wire_msg msg = {.type = WIRE_HELLO};
    struct wire_hello *m = &msg.u.hello;
    m->magic = WIRE_MAGIC;
    m->version_min = WIRE_VERSION_MIN;
    m->version_max = WIRE_VERSION_MAX;
    m->intent = source_is_committed(s->src.m.state) ? WIRE_INTENT_RESOLVE : WIRE_INTENT_MIGRATE;
    host_random(s->host, s->nonce, sizeof s->nonce);
    memcpy(m->nonce, s->nonce, sizeof m->nonce);
    memcpy(m->boot_id, s->host->cfg.boot_id, sizeof m->boot_id);
    memcpy(m->host, s->host->cfg.host, sizeof m->host);
    session_send(s, &msg);
}

static void send_probe(struct session *s, uint64_t now_ns) {
    struct source_part *p = &s->src;
    struct wire_msg msg = {.type = WIRE_CLOCK_PROBE,
                           .u.clock = {.number = p->probes_sent, .t1 = time_now_ns()}};
    if (p->probes_sent == p->probes_seen && p->probes_sent < p->probes_due &&
        channel_send(&s->ch, &msg, NULL, now_ns) == OK)
        p->probes_sent++;
}

static void start_log(struct session *s) {
    struct reason why = {{0}};
    enum dirty_method m = s->src.opt.dirty != DIRTY_INVALID ? s->src.opt.dirty : vm_get_spec(s->vm)->dirty;
    if (sender_init(&s->src.sender, vm_gmem(s->vm)) != OK) {
        (void)reason_set(&why, OK, "no memory to track %lu pages; free some on this host",
                         (unsigned long)vm_gmem(s->vm)->nr_pages);
        note_failure(s, WIRE_CODE_MEMORY, &why);
    } else if (vm_dirty_start(s->vm, m, &why) != OK) {
        note_failure(s, WIRE_CODE_INTERNAL, &why);
    }
    s->src.log_running = s->failed_code == 0;
    s->src.collect_ns = time_now_ns();
}

/* A dry run watches meanwhile how fast the guest dirties its memory. */
static void start_clock(struct session *s) {
    clock_sync_reset(&s->src.clock);
    s->src.probes_due = SESSION_PROBES;
    s->src.probes_sent = s->src.probes_seen = 0;
    if (s->src.opt.dry_run)
        start_log(s);
}

static bool clock_is_done(const struct session *s, uint64_t now_ns) {
    const struct source_part *p = &s->src;
    bool sampled = !p->opt.dry_run || now_ns - p->collect_ns >= SESSION_SAMPLE_NS;
    return p->m.state == SOURCE_CLOCK && p->probes_seen == p->probes_due && p->probes_due > 0 && sampled;
}

/* The verdict of a dry run: what a round between drain and stop would leave, at the rate of a 1 Gbit/s link. */
static struct reason dry_run_verdict(struct session *s) {
    struct source_part *p = &s->src;
    uint64_t ns = time_now_ns() - p->collect_ns;
    struct reason why = {{0}};
    policy_dirty_update(&p->policy, vm_dirty_collect(s->vm, p->sender.bitmap), ns);
    uint64_t rate = p->policy.dirty_pages_per_s;
    uint64_t left = rate * (POLICY_DRAIN_NS / 1000) / 1000000;
    bool converges = rate * POLICY_WIRE_BYTES_PER_PAGE < POLICY_DEFAULT_BYTES_PER_S / 2;
    p->verdict.predicted_ns = policy_predict_ns(&p->policy, left);
    (void)reason_set(&why, OK,
                     "it can be moved: the target has everything; %lu pages/s become dirty (%lu ms watched), so "
                     "pre-copy over 1 Gbit/s %s, blackout about %lu us",
                     (unsigned long)rate, (unsigned long)(ns / NSEC_PER_MSEC),
                     converges ? "converges" : "may not converge", (unsigned long)(p->verdict.predicted_ns / 1000));
    return why;
}

static void pause_vm(struct session *s) {
    struct reason why = {{0}};
    if (vm_pause(s->vm, &why) != OK)
        note_failure(s, WIRE_CODE_GUEST, &why);
    else
        s->src.pause_ns = vm_pause_time_ns(s->vm);
}

static void resume_vm(struct session *s) {
    struct reason why = {{0}};
    if (session_vm(s) == NULL)
        return;
    if (vm_get_state(s->vm) == VM_IN_DOUBT)
        vm_set_state(s->vm, VM_PAUSED);
    if (vm_get_state(s->vm) == VM_PAUSED && vm_resume(s->vm, &why) != OK)
        log_error("migration %u: '%s' could not be resumed: %s", s->id, s->name, why.text);
}

static void send_commit(struct session *s, uint16_t type) {
    struct wire_msg msg = {.type = type};
    if (type == WIRE_COMMIT) {
        s->src.commit_ns = time_now_ns();
        s->src.commits++;
    }
    memcpy(msg.u.commit.tx, s->tx, WIRE_ID_LEN);
    memcpy(msg.u.commit.token, s->token, WIRE_ID_LEN);
    session_send(s, &msg);
}

static void send_abort(struct session *s) {
    struct wire_msg msg;
    session_failure_msg(s, WIRE_ABORT, s->src.m.code, s->src.m.why.text, &msg);
    (void)!channel_send(&s->ch, &msg, NULL, time_now_ns()); /* when it does not fit, closing says the same */
}

static void stop_log(struct session *s) {
    if (s->src.log_running && session_vm(s) != NULL)
        vm_dirty_stop(s->vm);
    s->src.log_running = false;
}

static void free_vm(struct session *s) {
    stop_log(s);
    if (session_vm(s) != NULL)
        vm_destroy(s->vm);
    s->vm = NULL;
}

static void finish(struct session *s) {
    const struct source_machine *m = &s->src.m;
    struct reason verdict = {{0}};
    if (m->state == SOURCE_CHECKED && s->src.log_running && session_vm(s) != NULL)
        verdict = dry_run_verdict(s);
    stop_log(s);
    if (m->state == SOURCE_DONE)
        session_finish(s, MIGRATE_COMPLETED, MIGRATE_EV_COMPLETED, NULL);
    else if (m->state == SOURCE_CHECKED)
        session_finish(s, MIGRATE_CHECKED, MIGRATE_EV_CHECKED, &verdict);
    else if (m->code == WIRE_CODE_CANCELLED)
        session_finish(s, MIGRATE_CANCELLED, MIGRATE_EV_CANCELLED, &m->why);
    else
        session_finish(s, MIGRATE_FAILED, MIGRATE_EV_FAILED, &m->why);
}

static void connect_peer(struct session *s) {
    struct reason why = {{0}};
    channel_drop(&s->ch);
    if (channel_connect(&s->ch, s->peer, time_now_ns(), &why) == OK)
        return;
    s->failed_link = true;
    s->failed_why = why;
}

/* Actions in bit order. One that fails ends the list; the failure becomes the next event. */
static void act(struct session *s, uint32_t actions) {
    for (unsigned bit = 0; bit < 32 && s->failed_code == 0 && !s->failed_link; bit++) {
        switch (actions & BIT(bit)) {
        case SOURCE_ACT_MARK_IN_DOUBT: vm_set_state(s->vm, VM_IN_DOUBT); break;
        case SOURCE_ACT_RESUME: resume_vm(s); break;
        case SOURCE_ACT_CONNECT: connect_peer(s); break;
        case SOURCE_ACT_SEND_HELLO: send_hello(s); break;
        case SOURCE_ACT_START_CLOCK: start_clock(s); break;
        case SOURCE_ACT_SEND_OFFER:
            session_send(s, &(struct wire_msg){.type = WIRE_OFFER, .u.offer = s->src.offer});
            break;
        case SOURCE_ACT_START_LOG: start_log(s); break;
        case SOURCE_ACT_START_ROUND: source_rounds_start(s, false, time_now_ns()); break;
        case SOURCE_ACT_START_DRAIN: source_rounds_drain(s, time_now_ns()); break;
        case SOURCE_ACT_PAUSE: pause_vm(s); break;
        case SOURCE_ACT_START_FINAL: source_rounds_start(s, true, time_now_ns()); break;
        case SOURCE_ACT_SEND_COMMIT: send_commit(s, WIRE_COMMIT); break;
        case SOURCE_ACT_SEND_ABORT: send_abort(s); break;
        case SOURCE_ACT_SEND_DONE:
            send_commit(s, WIRE_DONE);
            s->failed_link = false;
            break;
        case SOURCE_ACT_STOP_LOG: stop_log(s); break;
        case SOURCE_ACT_FREE_VM: free_vm(s); break;
        case SOURCE_ACT_CLOSE:
            if (s->src.m.state == SOURCE_CHECKED) /* the last word was the target's */
                channel_close(&s->ch);
            else
                channel_linger(&s->ch, time_now_ns());
            break;
        case SOURCE_ACT_DROP: channel_drop(&s->ch); break;
        case SOURCE_ACT_FINISH: finish(s); break;
        default: break;
        }
    }
}

static void tell_transition(struct session *s, enum source_state before) {
    enum source_state now = s->src.m.state;
    if (now == before)
        return;
    log_debug("migration %u of '%s': %s -> %s", s->id, s->name, source_state_str(before),
              source_state_str(now));
    if (before == SOURCE_SEALED && now != SOURCE_FAILED)
        session_tell(s, MIGRATE_EV_READY);
    if (now == SOURCE_STOPPING)
        session_tell(s, MIGRATE_EV_PAUSED);
    else if (now == SOURCE_COMMITTED && before == SOURCE_SEALED)
        session_tell(s, MIGRATE_EV_COMMITTED);
    else if (now == SOURCE_IN_DOUBT && before != SOURCE_RECONNECTING) /* SEALED: COMMIT could not leave */
        session_tell(s, MIGRATE_EV_IN_DOUBT);
}

void source_driver_event(struct session *s, struct source_event ev) {
    enum source_state before = s->src.m.state;
    struct reason text = {{0}};
    if (ev.text != NULL) { /* may point into what the actions release */
        (void)reason_set(&text, OK, "%s", ev.text);
        ev.text = text.text;
    }
    act(s, source_step(&s->src.m, &ev));
    while (s->failed_link || s->failed_code != 0) {
        struct source_event next = {.type = s->failed_link ? SOURCE_EV_LINK_LOST : SOURCE_EV_LOCAL_ERROR,
                                    .now_ns = ev.now_ns,
                                    .code = s->failed_code,
                                    .text = text.text};
        text = s->failed_why;
        s->failed_link = false;
        s->failed_code = 0;
        if (next.type == SOURCE_EV_LINK_LOST)
            channel_drop(&s->ch);
        act(s, source_step(&s->src.m, &next));
    }
    tell_transition(s, before);
}

void source_driver_start(struct session *s) {
    uint64_t silent = s->host->cfg.silent_ns;
    struct source_times times = {.connect = silent,
                                 .hello = silent,
                                 .offer = 6 * silent,
                                 .silent = silent,
                                 .retry = NSEC_PER_SEC,
                                 .deadline = s->src.opt.deadline_ns};
    act(s, source_init(&s->src.m, &times, s->src.opt.dry_run, s->start_ns));
    session_tell(s, MIGRATE_EV_STARTED);
    if (s->failed_link)
        source_driver_event(s, (struct source_event){.type = SOURCE_EV_HEARD, .now_ns = s->start_ns});
}

static void read_records(struct session *s, uint64_t now_ns) {
    unsigned budget = 1; /* a target sends no pages */
    for (unsigned n = 0; n < SESSION_RECORDS_PER_POLL && s->ch.stream != NULL && !s->ch.lingering; n++) {
        uint64_t received = s->ch.received;
        enum receiver_result r = channel_read(&s->ch, &budget, now_ns);
        if (s->ch.received != received) /* also by what is skipped */
            source_driver_event(s, (struct source_event){.type = SOURCE_EV_HEARD, .now_ns = now_ns});
        if (r == RECEIVER_MORE)
            break;
        if (r == RECEIVER_ERROR) {
            source_driver_event(s, (struct source_event){.type = SOURCE_EV_PROTO_ERROR,
                                                         .now_ns = now_ns,
                                                         .code = s->ch.rx.code,
                                                         .text = s->ch.rx.why.text});
            break;
        }
        source_records_take(s, &s->ch.rx.msg, now_ns);
    }
}

/* The guest may end, crash or be paused by its operator at any time before we stop it. */
static void watch_vm(struct session *s, uint64_t now_ns) {
    const struct source_machine *m = &s->src.m;
    if (m->state >= SOURCE_COMMITTED)
        return;
    enum vm_state expected = m->paused ? VM_PAUSED : VM_RUNNING;
    const char *found = session_vm(s) == NULL ? "gone" : vm_state_str(vm_get_state(s->vm));
    struct reason why;
    if (s->vm != NULL && vm_get_state(s->vm) == expected)
        return;
    (void)reason_set(&why, OK, "VM '%s' is %s: it ended or was stopped during the migration", s->name, found);
    source_driver_event(
        s, (struct source_event){
               .type = SOURCE_EV_LOCAL_ERROR, .now_ns = now_ns, .code = WIRE_CODE_GUEST, .text = why.text});
}

bool source_driver_poll(struct session *s, uint64_t now_ns) {
    struct source_machine *m = &s->src.m;
    const char *line;
    bool more = false;
    watch_vm(s, now_ns);
    if (!source_is_final(m->state) && s->ch.connected && !s->ch.told) {
        s->ch.told = true;
        source_driver_event(s, (struct source_event){.type = SOURCE_EV_CONNECTED, .now_ns = now_ns});
    }
    if (!source_is_final(m->state))
        read_records(s, now_ns);
    if (!source_is_final(m->state) && channel_is_lost(&s->ch, &line)) {
        struct source_event ev = {.type = SOURCE_EV_LINK_LOST, .now_ns = now_ns, .text = line};
        struct reason why;
        (void)reason_set(&why, OK, "%s", line);
        ev.text = why.text;
        channel_drop(&s->ch);
        source_driver_event(s, ev);
    }
    if (clock_is_done(s, now_ns))
        source_driver_event(s, (struct source_event){.type = SOURCE_EV_CLOCK_DONE, .now_ns = now_ns});
    if (m->state == SOURCE_CLOCK || m->state == SOURCE_DRAINING)
        send_probe(s, now_ns);
    if (m->state == SOURCE_PRECOPY || m->state == SOURCE_DRAINING || m->state == SOURCE_STOPPING)
        more = source_rounds_poll(s, now_ns);
    if (!source_is_final(m->state)) {
        source_driver_event(s, (struct source_event){.type = SOURCE_EV_TICK, .now_ns = now_ns});
        if (m->state > SOURCE_HELLO)
            channel_keepalive(&s->ch, now_ns);
    }
    /* Where a wait is measured or prolongs the blackout, the loop must not sleep. */
    return more || m->state == SOURCE_CLOCK ||
           (m->state >= SOURCE_DRAINING && m->state <= SOURCE_COMMITTED && s->ch.stream != NULL);
}
