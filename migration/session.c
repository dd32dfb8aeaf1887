/* SPDX-License-Identifier: MIT */
#include "migration/session.h"

#include "kernel/log.h"
#include "kernel/time.h"

#include <stdlib.h>
#include <string.h>

const char *migrate_event_str(enum migrate_event e) {
    static const char *const names[] = {"invalid",   "started",   "incoming", "round",     "paused",
                                        "ready",     "committed", "in-doubt", "completed", "failed",
                                        "cancelled", "checked",   "refused"};
    return (unsigned)e < ARRAY_LEN(names) ? names[e] : "unknown";
}

const char *migrate_result_str(enum migrate_result r) {
    static const char *const names[] = {"invalid", "running", "completed", "failed", "cancelled", "checked"};
    return (unsigned)r < ARRAY_LEN(names) ? names[r] : "unknown";
}

struct vm *session_vm(struct session *s) {
    if (s->vm == NULL)
        return NULL;
    if (vm_find(s->name) != s->vm || memcmp(vm_get_uuid(s->vm), s->uuid, VM_UUID_LEN) != 0)
        s->vm = NULL;
    return s->vm;
}

uint64_t session_section_digest(uint32_t crc, uint64_t octets) {
    return octets << 32 | crc;
}

void session_send(struct session *s, const struct wire_msg *msg) {
    result_t r = channel_send(&s->ch, msg, NULL, time_now_ns());
    if (r == OK)
        return;
    s->failed_link = true;
    (void)reason_set(&s->failed_why, r, "%s could not be sent (%s)", wire_type_str(msg->type), result_str(r));
}

void session_failure_msg(const struct session *s, uint16_t type, uint32_t code, const char *text,
                         struct wire_msg *msg) {
    memset(msg, 0, sizeof *msg);
    msg->type = type;
    msg->u.failure.code = code != 0 ? code : WIRE_CODE_INTERNAL;
    memcpy(msg->u.failure.tx, s->tx, WIRE_ID_LEN);
    memcpy(msg->u.failure.token, s->token, WIRE_ID_LEN);
    struct reason line;
    (void)reason_set(&line, OK, "%s", text);
    memcpy(msg->u.failure.text, line.text, sizeof msg->u.failure.text);
}

/* Octets per second since a moment; the progress line needs a figure before the first round is over. */
static uint64_t live_rate(uint64_t octets, uint64_t since_ns) {
    uint64_t us = (time_now_ns() - since_ns) / 1000;
    return us == 0 ? 0 : octets * 1000 / us * 1000;
}

static void source_status(const struct session *s, struct migrate_status *out) {
    const struct source_part *p = &s->src;
    out->state = source_state_str(p->m.state);
    out->in_doubt = p->m.state == SOURCE_COMMITTED || p->m.state == SOURCE_IN_DOUBT ||
                    p->m.state == SOURCE_RECONNECTING;
    out->round = p->round;
    out->pages_sent = p->sender.raw_pages + p->sender.zero_pages;
    out->pages_left = p->sender.left;
    out->zero_pages = p->sender.zero_pages;
    out->octets = p->sender.octets + s->ch.octets;
    out->bytes_per_s = p->policy.bytes_per_s;
    if (out->bytes_per_s == 0 && p->round == 1)
        out->bytes_per_s = live_rate(p->sender.octets, p->round_start_ns);
    out->dirty_pages_per_s = p->policy.dirty_pages_per_s;
    out->predicted_blackout_ns = p->verdict.predicted_ns;
    if (p->policy.bytes_per_s > 0)
        out->left_ns = policy_predict_ns(&p->policy, p->sender.left);
    out->why = p->m.why.text[0] != '\0' ? p->m.why : p->verdict.why;
}

static void target_status(const struct session *s, struct migrate_status *out) {
    const struct target_part *p = &s->tgt;
    out->state = target_state_str(p->m.state);
    out->round = p->store.round;
    out->pages_sent = p->store.raw_pages + p->store.zero_pages;
    out->pages_left = p->store.announced - MIN(p->store.announced, p->store.round_raw + p->store.round_zero);
    out->zero_pages = p->store.zero_pages;
    out->octets = s->ch.received;
    out->bytes_per_s = live_rate(s->ch.received, s->start_ns);
    out->why = p->m.why;
}

void session_status(const struct session *s, struct migrate_status *out) {
    *out = (struct migrate_status){
        .id = s->id,
        .role = s->role,
        .result = s->report.result,
        .peer = s->peer,
        .percent = s->percent,
        .elapsed_ns = time_now_ns() - s->start_ns,
    };
    memcpy(out->name, s->name, sizeof out->name);
    memcpy(out->peer_host, s->peer_host, sizeof out->peer_host);
    if (s->role == MIGRATE_SOURCE)
        source_status(s, out);
    else
        target_status(s, out);
}

/* While the guest stands still and this host has something to do about it, nobody is told anything: a line on a
 * serial port takes milliseconds. */
static bool is_quiet(const struct session *s) {
    if (s->role == MIGRATE_SOURCE)
        return s->src.m.state == SOURCE_STOPPING || s->src.m.state == SOURCE_SEALED;
    return s->tgt.m.state == TARGET_READY || s->tgt.m.state == TARGET_ACTIVATING;
}

void session_flush(struct session *s) {
    struct migrate_status status;
    if (s->untold == 0 || is_quiet(s))
        return;
    session_status(s, &status);
    for (unsigned e = 0; e < 32; e++) {
        if ((s->untold & BIT(e)) == 0)
            continue;
        s->untold &= ~(uint32_t)BIT(e);
        s->host->cfg.event(s->host->cfg.event_ctx, (enum migrate_event)e, &status,
                           e >= MIGRATE_EV_COMPLETED ? &s->report : NULL);
    }
}

void session_tell(struct session *s, enum migrate_event event) {
    if (s->host->cfg.event == NULL)
        return;
    s->untold |= (uint32_t)BIT(event);
    session_flush(s);
}

static void fill_report(struct session *s, enum migrate_result result, const struct reason *why) {
    struct migrate_report *r = &s->report;
    r->role = s->role;
    r->result = result;
    r->id = s->id;
    r->peer = s->peer;
    memcpy(r->name, s->name, sizeof r->name);
    memcpy(r->peer_host, s->peer_host, sizeof r->peer_host);
    r->total_ns = time_now_ns() - s->start_ns;
    if (why != NULL)
        r->why = *why;
    if (s->role == MIGRATE_SOURCE) {
        r->raw_pages = s->src.sender.raw_pages;
        r->zero_pages = s->src.sender.zero_pages;
        r->octets = s->src.sender.octets + s->ch.octets;
    } else {
        r->ram_pages = s->tgt.offer.ram_pages;
        r->octets = s->ch.received;
        r->section_octets = s->tgt.section_octets;
    }
}

void session_finish(struct session *s, enum migrate_result result, enum migrate_event event,
                    const struct reason *why) {
    if (s->final_told)
        return;
    fill_report(s, result, why);
    if (result == MIGRATE_COMPLETED || result == MIGRATE_CHECKED)
        s->percent = 100;
    s->final_told = true;
    if (event != MIGRATE_EV_REFUSED) { /* noise on the port must not displace what an operator wants to read */
        s->host->last = s->report;
        s->host->has_last = true;
    }
    log_info("migration %u of '%s' (%s): %s%s%s", s->id, s->name,
             s->role == MIGRATE_SOURCE ? "source" : "target", migrate_event_str(event),
             why != NULL && why->text[0] != '\0' ? ": " : "", why != NULL ? why->text : "");
    session_tell(s, event);
}

void session_release(struct session *s) {
    sender_exit(&s->src.sender);
    page_store_exit(&s->tgt.store);
    free(s->scratch);
    if (s->ch.stream != NULL)
        channel_drop(&s->ch);
    receiver_exit(&s->ch.rx);
    memset(s, 0, sizeof *s);
}
