/* SPDX-License-Identifier: MIT */
/* The target inside RECEIVING: rounds, sections, SEAL and its verification. */
#include "migration/session.h"

#include "kernel/time.h"

#include <string.h>

bool target_audits(const struct session *s) {
    return s->host->cfg.audit || (s->tgt.offer.flags & WIRE_OFFER_AUDIT) != 0;
}

static bool bad(struct reason *why, const char *line) {
    (void)reason_set(why, OK, "%s", line);
    return false;
}

static void report_round(struct session *s) {
    const struct page_store *store = &s->tgt.store;
    struct migrate_report *r = &s->report;
    uint64_t now_ns = time_now_ns();
    if (r->nr_rounds > 0)
        r->round[r->nr_rounds - 1].dirty_pages += store->announced;
    if (r->nr_rounds < MIGRATE_MAX_ROUNDS)
        r->nr_rounds++;
    struct migrate_round *last = &r->round[r->nr_rounds - 1];
    last->round = store->round;
    last->pages += store->announced;
    last->zero_pages += store->round_zero;
    last->octets += store->round_octets;
    last->duration_ns += now_ns - s->tgt.round_ns;
    s->tgt.round_ns = now_ns;
    r->raw_pages = store->raw_pages; /* the store goes when the copy does */
    r->zero_pages = store->zero_pages;
}

static bool take_round(struct session *s, const struct wire_msg *msg, struct reason *why) {
    struct page_store *store = &s->tgt.store;
    if (s->tgt.nr_sections > 0)
        return bad(why, "a round came after a state section");
    if (msg->type == WIRE_ROUND_BEGIN)
        return page_store_round_begin(store, &msg->u.round, why) == OK;
    if (page_store_round_end(store, &msg->u.round, why) != OK)
        return false;
    struct wire_msg ack = {.type = WIRE_ROUND_ACK, .u.round = msg->u.round};
    ack.u.round.octets = store->octets;
    session_send(s, &ack);
    report_round(s);
    uint64_t done = store->raw_pages + store->zero_pages;
    s->percent = MAX(s->percent, (uint32_t)(done * 99 / (done + 512)));
    return true;
}

static bool take_section(struct session *s, const struct wire_section *m, uint32_t *code,
                         struct reason *why) {
    struct target_part *p = &s->tgt;
    unsigned i = p->nr_sections;
    if (p->store.in_round || p->store.kind != WIRE_ROUND_FINAL)
        return bad(why, "a state section came before the end of the final round");
    if (i >= p->offer.nr_sections || p->offer.section[i].id != m->id ||
        p->offer.section[i].version != m->version) {
        (void)reason_set(why, OK, "state section %u version %u is not the next one that was offered", m->id,
                         m->version);
        return false;
    }
    *code = WIRE_CODE_SECTION;
    if (vm_section_load(s->vm, m->id, m->version, m->data, m->length, why) != OK)
        return false;
    size_t body = s->ch.rx.head.length;
    p->section_crc = wire_crc(p->nr_sections == 0 ? 0xffffffffu : p->section_crc, s->ch.rx.body, body);
    p->section_octets += body;
    p->nr_sections++;
    return true;
}

bool target_records_take(struct session *s, const struct wire_msg *msg, uint32_t *code, struct reason *why) {
    *code = WIRE_CODE_PROTOCOL;
    if (session_vm(s) == NULL) {
        *code = WIRE_CODE_GUEST;
        return bad(why, "the incoming VM was destroyed by an operator");
    }
    if (msg->type == WIRE_SECTION)
        return take_section(s, &msg->u.section, code, why);
    return take_round(s, msg, why);
}

/* 0: everything is here and equals the source's; otherwise the code. */
uint32_t target_records_verify(struct session *s, struct reason *why) {
    const struct target_part *p = &s->tgt;
    const struct wire_seal *m = &p->seal;
    const struct page_store *st = &p->store;
    uint64_t sections = session_section_digest(p->section_crc, p->section_octets);
    if (memcmp(m->tx, s->tx, WIRE_ID_LEN) != 0 || st->in_round || st->kind != WIRE_ROUND_FINAL) {
        (void)reason_set(why, OK, "SEAL came before the final round, or is of another migration");
        return WIRE_CODE_PROTOCOL;
    }
    if (m->ram_pages != st->gmem->nr_pages || st->nr_came != m->ram_pages || m->raw_pages != st->raw_pages ||
        m->zero_pages != st->zero_pages || m->rounds != st->round) {
        (void)reason_set(why, OK,
                         "page counts differ: %lu of %lu pages came, %lu raw and %lu zero in %u rounds; sent "
                         "were %lu, %lu, %u",
                         (unsigned long)st->nr_came, (unsigned long)st->gmem->nr_pages,
                         (unsigned long)st->raw_pages, (unsigned long)st->zero_pages, st->round,
                         (unsigned long)m->raw_pages, (unsigned long)m->zero_pages, m->rounds);
        return WIRE_CODE_DIGEST;
    }
    if (m->digest != st->digest || (target_audits(s) && p->audit_sum != st->digest)) {
        (void)reason_set(why, OK,
                         "memory digest is %016lx, the source has %016lx: a page was damaged on the way; "
                         "nothing is lost, try again",
                         (unsigned long)(target_audits(s) ? p->audit_sum : st->digest),
                         (unsigned long)m->digest);
        return WIRE_CODE_DIGEST;
    }
    if (m->nr_sections != p->nr_sections || p->nr_sections != p->offer.nr_sections ||
        m->section_digest != sections) {
        (void)reason_set(
            why, OK, "state sections differ: %u of %u came, digest %016lx, the source has %016lx",
            p->nr_sections, p->offer.nr_sections, (unsigned long)sections, (unsigned long)m->section_digest);
        return WIRE_CODE_DIGEST;
    }
    return 0;
}
