/* SPDX-License-Identifier: MIT */
/* The source takes a record: which event of source_step it is, and what it says about the blackout. */
#include "migration/session.h"

#include "kernel/time.h"

#include <string.h>

static void take_clock_reply(struct session *s, const struct wire_clock *c) {
    struct source_part *p = &s->src;
    if (c->number + 1 != p->probes_sent || p->probes_seen == p->probes_sent)
        return; /* of an earlier set */
    (void)clock_sync_add(&p->clock, c->t1, c->t2, c->t3, time_now_ns());
    p->probes_seen = p->probes_sent;
}

static void take_ready(struct session *s, const struct wire_ready *m, uint64_t now_ns) {
    const struct wire_seal *seal = &s->src.seal;
    struct reason why = {{0}};
    struct source_event ev = {
        .type = SOURCE_EV_READY, .now_ns = now_ns, .code = WIRE_CODE_DIGEST, .text = why.text};
    ev.match = memcmp(m->tx, s->tx, WIRE_ID_LEN) == 0 && m->digest == seal->digest &&
               m->section_digest == seal->section_digest;
    if (!ev.match)
        (void)reason_set(&why, OK, "the target's READY does not match: digest %016lx, ours %016lx",
                         (unsigned long)m->digest, (unsigned long)seal->digest);
    if (s->src.m.state == SOURCE_SEALED) {
        s->src.ready_ns = time_now_ns();
        memcpy(s->token, m->token, WIRE_ID_LEN);
    }
    source_driver_event(s, ev);
}

/* Split the blackout in source time; what the target reports is shifted by the offset. COMMIT there and READY
 * back are the best sample of the offset: no guest ran on either side and nothing was queued. Of several COMMITs it
 * is unknown which one the target means. */
static void split_blackout(struct session *s, const struct wire_started *m) {
    struct source_part *p = &s->src;
    struct migrate_blackout *b = &s->report.blackout;
    if (p->commits == 1)
        (void)clock_sync_add(&p->clock, p->commit_ns, m->commit_received_ns, m->ready_sent_ns, p->ready_ns);
    uint64_t commit = m->commit_received_ns - (uint64_t)p->clock.offset_ns;
    uint64_t entry = m->first_entry_ns - (uint64_t)p->clock.offset_ns;
    b->pause_ns = p->paused_ns - p->pause_ns;
    b->last_pages_ns = p->pages_ns - p->paused_ns;
    b->state_ns = p->sections_ns - p->pages_ns;
    b->seal_ns = p->ready_ns - p->sections_ns;
    b->commit_ns = MAX(commit, p->ready_ns) - p->ready_ns;
    b->resume_ns = MAX(entry, p->ready_ns + b->commit_ns) - (p->ready_ns + b->commit_ns);
    b->total_ns = p->ready_ns + b->commit_ns + b->resume_ns - p->pause_ns;
    b->error_ns = clock_sync_error_ns(&p->clock);
    b->guest_ns = m->blackout_ns;
}

static bool is_ours(const struct session *s, const uint8_t *tx, const uint8_t *token) {
    return memcmp(tx, s->tx, WIRE_ID_LEN) == 0 && memcmp(token, s->token, WIRE_ID_LEN) == 0;
}

static struct source_event failure_event(const struct session *s, enum source_event_type type,
                                         const struct wire_failure *f) {
    return (struct source_event){
        .type = type, .code = f->code, .text = f->text, .match = is_ours(s, f->tx, f->token)};
}

static void take_hello_ack(struct session *s, const struct wire_hello_ack *m, struct source_event *ev) {
    ev->type = SOURCE_EV_HELLO_ACK;
    if (m->version < WIRE_VERSION_MIN || m->version > WIRE_VERSION_MAX ||
        memcmp(m->peer_nonce, s->nonce, WIRE_ID_LEN) != 0) {
        ev->type = SOURCE_EV_PROTO_ERROR;
        ev->text = "HELLO_ACK does not answer our HELLO";
        return;
    }
    memcpy(s->peer_host, m->host, sizeof s->peer_host);
    s->src.peer_restarted =
        source_is_committed(s->src.m.state) && memcmp(s->peer_boot_id, m->boot_id, WIRE_ID_LEN) != 0;
    if (!source_is_committed(s->src.m.state))
        memcpy(s->peer_boot_id, m->boot_id, sizeof s->peer_boot_id);
}

void source_records_take(struct session *s, const struct wire_msg *msg, uint64_t now_ns) {
    struct source_event ev = {.type = SOURCE_EV_PROTO_ERROR, .code = WIRE_CODE_PROTOCOL};
    struct reason why = {{0}};
    switch (msg->type) {
    case WIRE_KEEPALIVE: return;
    case WIRE_CLOCK_REPLY: take_clock_reply(s, &msg->u.clock); return;
    case WIRE_ROUND_ACK: source_rounds_acked(s, msg->u.round.round, now_ns); return;
    case WIRE_READY: take_ready(s, &msg->u.ready, now_ns); return;
    case WIRE_HELLO_ACK: take_hello_ack(s, &msg->u.hello_ack, &ev); break;
    case WIRE_REJECT:
        ev = (struct source_event){
            .type = SOURCE_EV_REJECTED, .code = msg->u.reject.code, .text = msg->u.reject.text};
        break;
    case WIRE_ACCEPT:
        ev.text = "ACCEPT is of another migration";
        if (memcmp(msg->u.accept.tx, s->tx, WIRE_ID_LEN) == 0)
            ev.type = SOURCE_EV_ACCEPTED;
        break;
    case WIRE_REFUSE: ev = failure_event(s, SOURCE_EV_REFUSED, &msg->u.failure); break;
    case WIRE_ABORTED: ev = failure_event(s, SOURCE_EV_ABORTED, &msg->u.failure); break;
    case WIRE_TX_UNKNOWN:
        ev.type = SOURCE_EV_TX_UNKNOWN;
        ev.text = s->src.peer_restarted
                      ? "the target does not know this migration: it was started again since (new boot id)"
                      : "the target does not know this migration, though it was not restarted";
        break;
    case WIRE_STARTED:
        ev.type = SOURCE_EV_STARTED;
        ev.match = is_ours(s, msg->u.started.tx, msg->u.started.token);
        if (ev.match && s->src.m.state == SOURCE_COMMITTED)
            split_blackout(s, &msg->u.started);
        break;
    default:
        (void)reason_set(&why, OK, "the target sent %s, which only a source sends", wire_type_str(msg->type));
        ev.text = why.text;
        break;
    }
    ev.now_ns = now_ns;
    source_driver_event(s, ev);
}
