/* SPDX-License-Identifier: MIT */
/* Carries out what target_step says: records, the VM, answers. No decision is taken here. */
#include "migration/session.h"

#include "kernel/log.h"
#include "kernel/time.h"

#include <string.h>

#define AUDIT_PAGES_PER_POLL 512u

static void send_hello_ack(struct session *s) {
    struct wire_msg msg = {.type = WIRE_HELLO_ACK};
    struct wire_hello_ack *m = &msg.u.hello_ack;
    m->magic = WIRE_MAGIC;
    m->version = (uint16_t)MIN(s->peer_version_max, WIRE_VERSION_MAX);
    memcpy(m->boot_id, s->host->cfg.boot_id, WIRE_ID_LEN);
    memcpy(m->peer_nonce, s->nonce, WIRE_ID_LEN);
    host_random(s->host, m->nonce, WIRE_ID_LEN);
    memcpy(m->host, s->host->cfg.host, sizeof m->host);
    session_send(s, &msg);
}

static void send_reject(struct session *s) {
    struct wire_msg msg = {.type = WIRE_REJECT};
    struct wire_reject *m = &msg.u.reject;
    m->magic = WIRE_MAGIC;
    m->version_min = WIRE_VERSION_MIN;
    m->version_max = WIRE_VERSION_MAX;
    m->code = s->tgt.m.code != 0 ? s->tgt.m.code : WIRE_CODE_PROTOCOL;
    memcpy(m->text, s->tgt.m.why.text, sizeof m->text);
    session_send(s, &msg);
}

static void send_failure(struct session *s, uint16_t type) {
    struct wire_msg msg;
    session_failure_msg(s, type, s->tgt.m.code, s->tgt.m.why.text, &msg);
    session_send(s, &msg);
}

static void send_accept(struct session *s) {
    struct wire_msg msg = {.type = WIRE_ACCEPT, .u.accept = {.lease_ns = s->host->cfg.lease_ns}};
    memcpy(msg.u.accept.tx, s->tx, WIRE_ID_LEN);
    session_send(s, &msg);
}

static void send_ready(struct session *s) {
    struct wire_msg msg = {.type = WIRE_READY, .u.ready = {.lease_ns = s->host->cfg.lease_ns}};
    struct wire_ready *m = &msg.u.ready;
    memcpy(m->tx, s->tx, WIRE_ID_LEN);
    memcpy(m->token, s->token, WIRE_ID_LEN);
    m->digest = s->tgt.store.digest;
    m->section_digest = session_section_digest(s->tgt.section_crc, s->tgt.section_octets);
    s->tgt.started.ready_sent_ns = time_now_ns();
    session_send(s, &msg);
}

static void send_started(struct session *s) {
    session_send(s, &(struct wire_msg){.type = WIRE_STARTED, .u.started = s->tgt.started});
}

static void destroy_copy(struct session *s) {
    page_store_exit(&s->tgt.store);
    receiver_set_store(&s->ch.rx, NULL);
    if (session_vm(s) != NULL)
        vm_destroy(s->vm);
    s->vm = NULL;
}

/* The pause in our time is the source's plus the offset. It cannot lie before we accepted the offer. */
static uint64_t blackout_ns(const struct session *s, uint64_t now_ns) {
    uint64_t pause = s->tgt.seal.pause_ns + (uint64_t)s->tgt.seal.clock_offset_ns;
    int64_t ns = (int64_t)(now_ns - pause);
    uint64_t limit = now_ns - s->tgt.accepted_ns;
    if (ns < 0)
        return 0;
    if ((uint64_t)ns > limit) {
        log_warn("migration %u of '%s': a blackout of %ld ns is impossible, taken as %lu ns", s->id, s->name,
                 (long)ns, (unsigned long)limit);
        return limit;
    }
    return (uint64_t)ns;
}

static void activate(struct session *s) {
    struct reason why = {{0}};
    struct wire_started *m = &s->tgt.started;
    m->commit_received_ns = time_now_ns();
    m->blackout_ns = blackout_ns(s, m->commit_received_ns);
    if (session_vm(s) == NULL)
        (void)reason_set(&why, OK, "the incoming VM was destroyed by an operator");
    else if (vm_activate(s->vm, m->blackout_ns, &why) == OK)
        return;
    s->failed_code = WIRE_CODE_INTERNAL;
    s->failed_why = why;
}

static void finish(struct session *s) {
    const struct target_machine *m = &s->tgt.m;
    struct migrate_blackout *b = &s->report.blackout;
    if (m->state == TARGET_DONE) {
        const struct wire_started *st = &s->tgt.started;
        b->seal_ns = st->ready_sent_ns - st->seal_received_ns;
        b->commit_ns = st->commit_received_ns - st->ready_sent_ns;
        b->resume_ns = st->first_entry_ns - st->commit_received_ns;
        b->guest_ns = st->blackout_ns;
        uint64_t known = b->seal_ns + b->commit_ns + b->resume_ns;
        b->total_ns = MAX(st->blackout_ns + b->resume_ns, known);
        b->last_pages_ns = b->total_ns - known;
        b->error_ns = s->tgt.seal.clock_error_ns;
        session_finish(s, MIGRATE_COMPLETED, MIGRATE_EV_COMPLETED, NULL);
    } else if (m->code == 0) { /* a dry run or a question */
        s->final_told = true;
    } else if (m->code == WIRE_CODE_CANCELLED) {
        session_finish(s, MIGRATE_CANCELLED, MIGRATE_EV_CANCELLED, &m->why);
    } else if (m->state == TARGET_ABORTED) {
        session_finish(s, MIGRATE_FAILED, MIGRATE_EV_FAILED, &m->why);
    } else {
        session_finish(s, MIGRATE_FAILED, MIGRATE_EV_REFUSED, &m->why);
    }
}

static void act(struct session *s, uint32_t actions, bool peer_closes) {
    const struct target_machine *m = &s->tgt.m;
    for (unsigned bit = 0; bit < 32 && s->failed_code == 0; bit++) {
        switch (actions & BIT(bit)) {
        case TARGET_ACT_DESTROY: destroy_copy(s); break;
        case TARGET_ACT_REMEMBER_ABORTED:
            history_aborted(&s->host->history, s->tx, s->token, s->tgt.was_ready, m->code, m->why.text);
            break;
        case TARGET_ACT_ACTIVATE: activate(s); break;
        case TARGET_ACT_REMEMBER_STARTED: history_started(&s->host->history, &s->tgt.started); break;
        case TARGET_ACT_SEND_HELLO_ACK: send_hello_ack(s); break;
        case TARGET_ACT_SEND_REJECT: send_reject(s); break;
        case TARGET_ACT_SEND_ACCEPT: send_accept(s); break;
        case TARGET_ACT_SEND_REFUSE: send_failure(s, WIRE_REFUSE); break;
        case TARGET_ACT_SEND_READY: send_ready(s); break;
        case TARGET_ACT_SEND_STARTED: send_started(s); break;
        case TARGET_ACT_SEND_ABORTED: send_failure(s, WIRE_ABORTED); break;
        case TARGET_ACT_CLOSE:
            if (peer_closes)
                channel_linger(&s->ch, time_now_ns());
            else
                channel_close(&s->ch);
            break;
        case TARGET_ACT_DROP: channel_drop(&s->ch); break;
        case TARGET_ACT_FINISH: finish(s); break;
        default: break;
        }
    }
}

static void tell_transition(struct session *s, enum target_state before) {
    enum target_state now = s->tgt.m.state;
    if (now == before)
        return;
    log_debug("migration %u of '%s': %s -> %s", s->id, s->name, target_state_str(before),
              target_state_str(now));
    if (now == TARGET_RECEIVING)
        session_tell(s, MIGRATE_EV_INCOMING);
    else if (now == TARGET_READY)
        session_tell(s, MIGRATE_EV_READY);
    else if (now == TARGET_STARTED)
        session_tell(s, MIGRATE_EV_COMMITTED);
}

void target_driver_event(struct session *s, struct target_event ev) {
    enum target_state before = s->tgt.m.state;
    struct reason text = {{0}};
    bool peer_closes = ev.type != TARGET_EV_DONE && ev.type != TARGET_EV_PEER_ABORT;
    if (ev.text != NULL) { /* may point into what the actions release */
        (void)reason_set(&text, OK, "%s", ev.text);
        ev.text = text.text;
    }
    act(s, target_step(&s->tgt.m, &ev), peer_closes);
    while (s->failed_link || s->failed_code != 0) {
        struct target_event next = {.type = s->failed_code != 0 ? TARGET_EV_LOCAL_ERROR : TARGET_EV_LINK_LOST,
                                    .now_ns = ev.now_ns,
                                    .code = s->failed_code,
                                    .text = text.text};
        text = s->failed_why;
        if (next.type == TARGET_EV_LINK_LOST) {
            s->failed_link = false;
            channel_drop(&s->ch);
        }
        s->failed_code = 0;
        act(s, target_step(&s->tgt.m, &next), true);
    }
    tell_transition(s, before);
}

void target_driver_start(struct session *s) {
    struct target_times times = {
        .greeting = s->host->cfg.silent_ns, .silent = s->host->cfg.silent_ns, .lease = s->host->cfg.lease_ns};
    target_init(&s->tgt.m, &times, s->start_ns);
}

static void take_hello(struct session *s, const struct wire_hello *m, struct target_event *ev,
                       struct reason *why) {
    ev->type = TARGET_EV_HELLO;
    ev->match = m->version_min <= WIRE_VERSION_MAX && m->version_max >= WIRE_VERSION_MIN;
    ev->code = WIRE_CODE_VERSION;
    if (!ev->match)
        (void)reason_set(
            why, OK,
            "protocol versions %u to %u were offered, this host speaks %u to %u; install the same "
            "version on both hosts",
            m->version_min, m->version_max, WIRE_VERSION_MIN, WIRE_VERSION_MAX);
    s->peer_version_max = m->version_max;
    memcpy(s->peer_host, m->host, sizeof s->peer_host);
    memcpy(s->peer_boot_id, m->boot_id, WIRE_ID_LEN);
    memcpy(s->nonce, m->nonce, WIRE_ID_LEN);
}

static void take_offer(struct session *s, const struct wire_offer *o, struct target_event *ev,
                       struct reason *why) {
    if (s->tgt.m.state != TARGET_WAIT_OFFER)
        return;
    ev->type = (o->flags & WIRE_OFFER_DRY_RUN) != 0 ? TARGET_EV_OFFER_DRY : TARGET_EV_OFFER;
    ev->code = target_offer_take(s, o, why);
    ev->match = ev->code == 0;
    if (s->vm != NULL)
        receiver_set_store(&s->ch.rx, &s->tgt.store);
    s->tgt.accepted_ns = s->tgt.round_ns = time_now_ns();
}

static void take_commit(struct session *s, const struct wire_commit *m, struct target_event *ev) {
    ev->type = TARGET_EV_COMMIT;
    ev->match = memcmp(m->tx, s->tx, WIRE_ID_LEN) == 0 && memcmp(m->token, s->token, WIRE_ID_LEN) == 0;
    ev->text = "COMMIT came with a wrong token or too early";
}

static bool verify_step(struct session *s, uint64_t now_ns) {
    struct target_part *p = &s->tgt;
    struct reason why = {{0}};
    if (target_audits(s) &&
        !page_store_audit(&p->store, &p->audit_next, &p->audit_sum, AUDIT_PAGES_PER_POLL))
        return true;
    p->auditing = false;
    struct target_event ev = {.type = TARGET_EV_SEAL, .now_ns = now_ns, .text = why.text};
    ev.code = target_records_verify(s, &why);
    ev.match = ev.code == 0;
    if (ev.match) {
        host_random(s->host, s->token, WIRE_ID_LEN);
        p->was_ready = true;
        memcpy(p->started.tx, s->tx, WIRE_ID_LEN);
        memcpy(p->started.token, s->token, WIRE_ID_LEN);
        receiver_set_store(&s->ch.rx, NULL);
    }
    target_driver_event(s, ev);
    return false;
}

static void take_seal(struct session *s, const struct wire_seal *m, uint64_t now_ns) {
    s->tgt.seal = *m;
    s->tgt.started.seal_received_ns = time_now_ns();
    s->tgt.auditing = true;
    s->tgt.audit_next = s->tgt.audit_sum = 0;
    if (!target_audits(s))
        (void)verify_step(s, now_ns);
}

static void answer_probe(struct session *s, const struct wire_clock *c) {
    uint64_t now = time_now_ns();
    struct wire_msg msg = {.type = WIRE_CLOCK_REPLY, .u.clock = *c};
    msg.u.clock.t2 = now;
    msg.u.clock.t3 = now;
    session_send(s, &msg);
}

static void take_record(struct session *s, const struct wire_msg *msg, uint64_t now_ns) {
    struct reason why = {{0}};
    struct target_event ev = {.type = TARGET_EV_PROTO_ERROR, .now_ns = now_ns, .code = WIRE_CODE_PROTOCOL};
    bool receiving = s->tgt.m.state == TARGET_RECEIVING && !s->tgt.auditing;
    ev.text = why.text;
    switch (msg->type) {
    case WIRE_KEEPALIVE: return;
    case WIRE_HELLO: take_hello(s, &msg->u.hello, &ev, &why); break;
    case WIRE_OFFER: take_offer(s, &msg->u.offer, &ev, &why); break;
    case WIRE_CLOCK_PROBE:
        if (s->tgt.m.state == TARGET_GREETING)
            break;
        answer_probe(s, &msg->u.clock);
        return;
    case WIRE_ROUND_BEGIN:
    case WIRE_ROUND_END:
    case WIRE_SECTION:
        if (!receiving)
            break;
        if (target_records_take(s, msg, &ev.code, &why))
            return;
        ev.type = TARGET_EV_LOCAL_ERROR;
        break;
    case WIRE_SEAL:
        if (!receiving)
            break;
        take_seal(s, &msg->u.seal, now_ns);
        return;
    case WIRE_COMMIT:
        if (s->tgt.m.state == TARGET_WAIT_OFFER) {
            target_resolve(s, &msg->u.commit, now_ns);
            return;
        }
        take_commit(s, &msg->u.commit, &ev);
        break;
    case WIRE_DONE:
        if (memcmp(msg->u.commit.token, s->token, WIRE_ID_LEN) == 0) {
            ev.type = TARGET_EV_DONE;
            history_settled(&s->host->history, s->tx);
        }
        break;
    case WIRE_ABORT:
        if (s->tgt.m.state >= TARGET_RECEIVING && memcmp(msg->u.failure.tx, s->tx, WIRE_ID_LEN) != 0)
            break;
        ev.type = s->tgt.m.state >= TARGET_RECEIVING ? TARGET_EV_PEER_ABORT : TARGET_EV_LINK_LOST;
        ev.code = msg->u.failure.code;
        ev.text = msg->u.failure.text;
        break;
    default: break;
    }
    if (ev.type == TARGET_EV_PROTO_ERROR)
        (void)reason_set(&why, OK, "%s came while %s", wire_type_str(msg->type),
                         target_state_str(s->tgt.m.state));
    target_driver_event(s, ev);
}

static bool read_records(struct session *s, uint64_t now_ns) {
    unsigned budget = s->host->cfg.pages_per_poll;
    for (unsigned n = 0; n < SESSION_RECORDS_PER_POLL && s->ch.stream != NULL && !s->ch.lingering; n++) {
        uint64_t heard = s->ch.heard_ns;
        enum receiver_result r = channel_read(&s->ch, &budget, now_ns);
        if (s->ch.heard_ns != heard || r == RECEIVER_RECORD)
            target_driver_event(s, (struct target_event){.type = TARGET_EV_HEARD, .now_ns = now_ns});
        if (r == RECEIVER_ERROR) {
            target_driver_event(s, (struct target_event){.type = TARGET_EV_PROTO_ERROR,
                                                         .now_ns = now_ns,
                                                         .code = s->ch.rx.code,
                                                         .text = s->ch.rx.why.text});
            return false;
        }
        if (r == RECEIVER_MORE)
            return budget == 0;
        take_record(s, &s->ch.rx.msg, now_ns);
    }
    return s->ch.stream != NULL && !s->ch.lingering;
}

/* The copy may be destroyed by an operator; an activated guest may fail its first entry. Nobody but the guest itself
 * can end an activated machine (host_forbids_stop): when it is gone, it has run, and must not run elsewhere again. */
static void watch_vm(struct session *s, uint64_t now_ns) {
    enum target_state st = s->tgt.m.state;
    if (st != TARGET_RECEIVING && st != TARGET_READY && st != TARGET_ACTIVATING)
        return;
    struct vm *vm = session_vm(s);
    struct target_event ev = {.type = TARGET_EV_LOCAL_ERROR, .now_ns = now_ns, .code = WIRE_CODE_GUEST};
    if (vm != NULL && vm_first_entry_ns(vm) != 0 && st == TARGET_ACTIVATING) {
        s->tgt.started.first_entry_ns = vm_first_entry_ns(vm);
        ev = (struct target_event){.type = TARGET_EV_FIRST_ENTRY, .now_ns = now_ns};
    } else if (vm == NULL && st == TARGET_ACTIVATING) {
        log_info("migration %u of '%s': the guest ended its machine right after its arrival", s->id, s->name);
        s->tgt.started.first_entry_ns = now_ns;
        ev = (struct target_event){.type = TARGET_EV_FIRST_ENTRY, .now_ns = now_ns};
    } else if (vm == NULL) {
        ev.text = "the VM was destroyed by an operator of the target before it ran";
    } else if (st == TARGET_ACTIVATING && vm_get_state(vm) == VM_CRASHED) {
        ev.text = "the guest could not be entered on the target";
    } else {
        return;
    }
    target_driver_event(s, ev);
}

bool target_driver_poll(struct session *s, uint64_t now_ns) {
    struct target_machine *m = &s->tgt.m;
    const char *line;
    bool more = false;
    watch_vm(s, now_ns);
    if (!target_is_final(m->state))
        more = read_records(s, now_ns);
    if (!target_is_final(m->state) && m->linked && channel_is_lost(&s->ch, &line)) {
        struct reason why;
        (void)reason_set(&why, OK, "%s", line);
        channel_drop(&s->ch);
        target_driver_event(
            s, (struct target_event){.type = TARGET_EV_LINK_LOST, .now_ns = now_ns, .text = why.text});
    }
    if (m->state == TARGET_RECEIVING && s->tgt.auditing)
        more |= verify_step(s, now_ns);
    if (!target_is_final(m->state)) {
        target_driver_event(s, (struct target_event){.type = TARGET_EV_TICK, .now_ns = now_ns});
        if (m->state > TARGET_GREETING)
            channel_keepalive(&s->ch, now_ns);
    }
    /* Clock probes are answered and COMMIT is awaited without sleep. */
    return more || m->state == TARGET_ACTIVATING ||
           (m->linked && m->state >= TARGET_WAIT_OFFER && m->state <= TARGET_READY);
}
