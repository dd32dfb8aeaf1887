/* SPDX-License-Identifier: MIT */
/* The source inside PRECOPY, DRAINING and STOPPING: rounds of pages, the drain before the stop, sections,
 * SEAL. */
#include "migration/session.h"

#include "kernel/time.h"

#include <string.h>

#define EARLY_COLLECTS 16u

static uint64_t acked_octets(const struct session *s) {
    uint64_t written = s->src.sender.octets + s->ch.octets;
    return written - MIN(written, s->ch.stream != NULL ? (uint64_t)stream_unacked(s->ch.stream) : 0);
}

static uint32_t round_kind(const struct session *s) {
    if (s->src.m.state == SOURCE_STOPPING)
        return WIRE_ROUND_FINAL;
    return s->src.round == 1 ? WIRE_ROUND_ALL : WIRE_ROUND_DIRTY;
}

/* The pages of the round are those in sender.bitmap now; for the final one, the log is read once more after
 * the pause. */
void source_rounds_start(struct session *s, bool final, uint64_t now_ns) {
    struct source_part *p = &s->src;
    if (p->round == 0) {
        sender_fill(&p->sender);
        p->acked_ns = now_ns;
    }
    if (final) {
        sender_collected(&p->sender, vm_dirty_collect(s->vm, p->sender.bitmap));
        p->paused_ns = time_now_ns();
        p->section = 0;
        p->section_crc = 0xffffffffu;
    }
    p->round++;
    p->round_start_ns = now_ns;
    p->acked_octets_at_round = acked_octets(s);
    p->step = ROUND_BEGIN;
    sender_round_begin(&p->sender);
}

static struct migrate_round *report_round(struct session *s) {
    struct migrate_report *r = &s->report;
    if (r->nr_rounds < MIGRATE_MAX_ROUNDS && r->nr_rounds < s->src.round)
        r->round[r->nr_rounds++] = (struct migrate_round){.round = s->src.round};
    return &r->round[r->nr_rounds - 1];
}

static void update_percent(struct session *s) {
    const struct sender *d = &s->src.sender;
    uint64_t sent = d->raw_pages + d->zero_pages, all = sent + d->left;
    uint32_t percent = all == 0 ? 0 : (uint32_t)(sent * 99 / all);
    s->percent = MAX(s->percent, percent);
}

/* Read the log into the bitmap of the next round and ask the policy. */
static struct source_event ask_policy(struct session *s, enum source_event_type type, uint64_t now_ns) {
    struct source_part *p = &s->src;
    uint64_t dirty = vm_dirty_collect(s->vm, p->sender.bitmap);
    sender_collected(&p->sender, dirty);
    policy_dirty_update(&p->policy, dirty, now_ns - p->collect_ns);
    p->collect_ns = now_ns;
    report_round(s)->dirty_pages += dirty;
    p->verdict = policy_decide(&p->policy, &p->limits, p->round, p->sender.left);
    update_percent(s);
    if (p->verdict.decision == POLICY_STOP)
        s->report.stop_why = p->verdict.why;
    return (struct source_event){.type = type, .decision = p->verdict.decision, .text = p->verdict.why.text};
}

static void round_sent(struct session *s, uint64_t now_ns) {
    struct source_part *p = &s->src;
    struct migrate_round *r = report_round(s);
    r->pages += p->sender.round_raw + p->sender.round_zero;
    r->zero_pages += p->sender.round_zero;
    r->octets += p->sender.round_octets;
    policy_rate_update(&p->policy, acked_octets(s) - p->acked_octets_at_round, now_ns - p->round_start_ns);
}

/* ROUND_ACK: the round took from the acknowledgement of the one before until now. */
void source_rounds_acked(struct session *s, uint32_t round, uint64_t now_ns) {
    struct source_part *p = &s->src;
    struct migrate_report *r = &s->report;
    if (round != p->acked_round + 1 || round > p->round || r->nr_rounds == 0)
        return;
    r->round[MIN(round, r->nr_rounds) - 1].duration_ns += now_ns - p->acked_ns;
    p->acked_round = round;
    p->acked_ns = now_ns;
}

/* One record about the round; false when there is no room now. */
static bool send_round(struct session *s, uint16_t type, uint64_t now_ns) {
    const struct sender *d = &s->src.sender;
    struct wire_msg msg = {.type = type, .u.round = {.round = s->src.round, .kind = round_kind(s)}};
    msg.u.round.pages = d->left;
    if (type == WIRE_ROUND_END) {
        msg.u.round.pages = d->round_raw + d->round_zero;
        msg.u.round.raw_pages = d->round_raw;
        msg.u.round.zero_pages = d->round_zero;
        msg.u.round.octets = d->round_octets;
    }
    return channel_send(&s->ch, &msg, NULL, now_ns) == OK;
}

static void fail_local(struct session *s, uint32_t code, const struct reason *why, uint64_t now_ns) {
    source_driver_event(
        s, (struct source_event){
               .type = SOURCE_EV_LOCAL_ERROR, .now_ns = now_ns, .code = code, .text = why->text});
}

/* Save and send one section; false: no room now, or it failed. */
static bool send_section(struct session *s, const struct vm_section *sec, uint64_t now_ns) {
    struct source_part *p = &s->src;
    struct reason why;
    uint8_t *data = s->scratch + WIRE_HEADER_BYTES + WIRE_MAX_CONTROL_BYTES;
    size_t used = 0;
    if (stream_space(s->ch.stream) < WIRE_HEADER_BYTES + WIRE_MAX_CONTROL_BYTES &&
        stream_unacked(s->ch.stream) > 0)
        return false;
    result_t r = vm_section_save(s->vm, sec->id, data, VM_SECTION_MAX_BYTES, &used);
    if (r != OK) {
        (void)reason_set(&why, r, "state section '%s' could not be saved (%s)", sec->name, result_str(r));
        fail_local(s, WIRE_CODE_SECTION, &why, now_ns);
        return false;
    }
    struct wire_msg msg = {
        .type = WIRE_SECTION,
        .u.section = {.id = sec->id, .version = sec->version, .length = (uint32_t)used, .data = data}};
    r = channel_send(&s->ch, &msg, s->scratch, now_ns);
    if (r == ERR_FULL)
        return false;
    if (r != OK) {
        (void)reason_set(&why, r, "state section '%s' could not be sent (%s)", sec->name, result_str(r));
        fail_local(s, WIRE_CODE_SECTION, &why, now_ns);
        return false;
    }
    size_t body = ALIGN_UP(used + 8, 8u);
    p->section_crc = wire_crc(p->section_crc, s->scratch + WIRE_HEADER_BYTES, body);
    s->report.section_octets += body;
    p->section++;
    return true;
}

static bool send_seal(struct session *s, uint64_t now_ns) {
    struct source_part *p = &s->src;
    struct wire_msg msg = {.type = WIRE_SEAL};
    struct wire_seal *m = &msg.u.seal;
    memcpy(m->tx, s->tx, WIRE_ID_LEN);
    m->ram_pages = p->sender.gmem->nr_pages;
    m->raw_pages = p->sender.raw_pages;
    m->zero_pages = p->sender.zero_pages;
    m->digest = p->sender.digest;
    m->section_digest = session_section_digest(p->section_crc, s->report.section_octets);
    m->pause_ns = p->pause_ns;
    m->clock_offset_ns = p->clock.offset_ns;
    m->clock_error_ns = clock_sync_error_ns(&p->clock);
    m->rounds = p->round;
    m->nr_sections = p->section;
    p->seal = *m;
    return channel_send(&s->ch, &msg, NULL, now_ns) == OK;
}

/* During the first round, the log is read now and then: a page written before its turn comes is sent once,
 * not twice. Bits ahead of the cursor are all set anyway; those behind it are the next round's. */
static void collect_early(struct session *s) {
    struct source_part *p = &s->src;
    uint64_t part = p->sender.gmem->nr_pages / EARLY_COLLECTS + 1;
    if (p->round != 1 || p->sender.cursor < (p->early + 1) * part)
        return;
    p->early++;
    uint64_t now_ns = time_now_ns(); /* the log may have been started in this very poll */
    uint64_t dirty = vm_dirty_collect(s->vm, p->sender.bitmap);
    sender_collected(&p->sender, dirty);
    policy_dirty_update(&p->policy, dirty, now_ns - p->collect_ns);
    p->collect_ns = now_ns;
    report_round(s)->dirty_pages += dirty;
}

static bool pump(struct session *s, unsigned *budget) {
    struct source_part *p = &s->src;
    while (!sender_round_is_over(&p->sender) && *budget > 0) {
        if (sender_pump(&p->sender, s->ch.stream, p->round, &s->ch.seq, budget) != OK)
            return false;
        collect_early(s);
    }
    stream_flush(s->ch.stream);
    return sender_round_is_over(&p->sender);
}

/* After the last round: sections, then SEAL. */
static bool poll_final(struct session *s, uint64_t now_ns) {
    struct source_part *p = &s->src;
    struct vm_section sec;
    if (p->step == ROUND_SECTIONS) {
        while (vm_section_iterate(p->offer.nr_vcpus, p->section, &sec))
            if (!send_section(s, &sec, now_ns))
                return false;
        p->sections_ns = time_now_ns();
        p->step = ROUND_SEAL;
    }
    if (!send_seal(s, now_ns))
        return false;
    p->step = ROUND_IDLE;
    source_driver_event(s, (struct source_event){.type = SOURCE_EV_FINAL_SENT, .now_ns = now_ns});
    return true;
}

static bool poll_round(struct session *s, uint64_t now_ns) {
    struct source_part *p = &s->src;
    unsigned budget = s->host->cfg.pages_per_poll;
    if (p->step == ROUND_BEGIN && send_round(s, WIRE_ROUND_BEGIN, now_ns))
        p->step = ROUND_PAGES;
    if (p->step == ROUND_PAGES && pump(s, &budget))
        p->step = ROUND_END;
    update_percent(s);
    if (p->step != ROUND_END || !send_round(s, WIRE_ROUND_END, now_ns))
        return budget == 0;
    round_sent(s, now_ns);
    if (p->m.state == SOURCE_STOPPING) {
        p->pages_ns = time_now_ns();
        p->step = ROUND_SECTIONS;
        return poll_final(s, now_ns);
    }
    p->step = ROUND_IDLE;
    struct source_event ev = ask_policy(s, SOURCE_EV_ROUND_SENT, now_ns);
    ev.now_ns = now_ns;
    session_tell(s, MIGRATE_EV_ROUND);
    source_driver_event(s, ev);
    return true;
}

void source_rounds_drain(struct session *s, uint64_t now_ns) {
    (void)now_ns;
    clock_sync_reset(&s->src.clock);
    s->src.probes_due = SESSION_DRAIN_PROBES;
    s->src.probes_sent = s->src.probes_seen = 0;
}

static bool poll_drain(struct session *s, uint64_t now_ns) {
    struct source_part *p = &s->src;
    if (p->acked_round != p->round || p->probes_seen < p->probes_due || stream_unacked(s->ch.stream) > 0)
        return false;
    struct source_event ev = ask_policy(s, SOURCE_EV_DRAINED, now_ns);
    ev.now_ns = now_ns;
    source_driver_event(s, ev);
    return true;
}

/* True: there is more to do at once. */
bool source_rounds_poll(struct session *s, uint64_t now_ns) {
    if (s->ch.stream == NULL)
        return false;
    if (s->src.m.state == SOURCE_DRAINING)
        return poll_drain(s, now_ns);
    if (s->src.step == ROUND_SECTIONS || s->src.step == ROUND_SEAL)
        return poll_final(s, now_ns);
    return s->src.step != ROUND_IDLE && poll_round(s, now_ns);
}
