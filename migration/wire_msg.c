/* SPDX-License-Identifier: MIT */
/* The bodies of all control records. Each has one field list, used to encode and to decode, in the order of
 * docs/wire-format.md; snap_require states the bounds of each field. */
#include "migration/wire.h"

#include "guest/snapshot.h"

#include <string.h>

/* Text: printable, NUL-terminated, and nothing but NUL behind the end. */
static void text(struct snap *s, char *v, size_t cap) {
    if (!s->loading) { /* canonical form, whatever the caller's buffer holds behind the end */
        size_t len = strnlen(v, cap - 1);
        memset(v + len, 0, cap - len);
    }
    snap_bytes(s, v, cap);
    if (s->status != OK)
        return;
    size_t len = strnlen(v, cap);
    snap_require(s, len < cap);
    for (size_t i = 0; i < cap; i++)
        snap_require(s, i < len ? (unsigned char)v[i] >= 0x20 && v[i] != 0x7f : v[i] == 0);
}

static void reserved(struct snap *s, size_t octets) {
    for (size_t i = 0; i < octets; i++) {
        uint8_t zero = 0;
        snap_u8(s, &zero);
        snap_require(s, zero == 0);
    }
}

static void id(struct snap *s, uint8_t v[WIRE_ID_LEN]) {
    snap_bytes(s, v, WIRE_ID_LEN);
}

static void f_hello(struct snap *s, struct wire_hello *m) {
    snap_u64(s, &m->magic);
    snap_require(s, m->magic == WIRE_MAGIC);
    snap_u16(s, &m->version_min);
    snap_u16(s, &m->version_max);
    snap_require(s, m->version_min >= 1 && m->version_min <= m->version_max);
    snap_u32(s, &m->intent);
    snap_require(s, m->intent == WIRE_INTENT_MIGRATE || m->intent == WIRE_INTENT_RESOLVE);
    id(s, m->boot_id);
    id(s, m->nonce);
    text(s, m->host, sizeof m->host);
}

static void f_hello_ack(struct snap *s, struct wire_hello_ack *m) {
    snap_u64(s, &m->magic);
    snap_require(s, m->magic == WIRE_MAGIC);
    snap_u16(s, &m->version);
    snap_require(s, m->version >= 1);
    reserved(s, 6);
    id(s, m->boot_id);
    id(s, m->nonce);
    id(s, m->peer_nonce);
    text(s, m->host, sizeof m->host);
}

static void code_text(struct snap *s, uint32_t *code, char *line) {
    snap_u32(s, code);
    snap_require(s, *code != WIRE_CODE_INVALID);
    text(s, line, REASON_LEN);
}

static void f_reject(struct snap *s, struct wire_reject *m) {
    snap_u64(s, &m->magic);
    snap_require(s, m->magic == WIRE_MAGIC);
    snap_u16(s, &m->version_min);
    snap_u16(s, &m->version_max);
    code_text(s, &m->code, m->text);
}

static void f_clock(struct snap *s, struct wire_clock *m) {
    snap_u32(s, &m->number);
    reserved(s, 4);
    snap_u64(s, &m->t1);
    snap_u64(s, &m->t2);
    snap_u64(s, &m->t3);
    snap_require(s, m->t3 >= m->t2);
}

static void f_offer(struct snap *s, struct wire_offer *m) {
    id(s, m->tx);
    snap_bytes(s, m->uuid, VM_UUID_LEN);
    text(s, m->name, sizeof m->name);
    snap_require(s, m->name[0] != '\0');
    text(s, m->cmdline, sizeof m->cmdline);
    snap_u64(s, &m->ram_pages);
    snap_require(s, m->ram_pages > 0 && m->ram_pages <= WIRE_MAX_VM_PAGES && m->ram_pages % 512 == 0);
    snap_u64(s, &m->tsc_hz);
    snap_u64(s, &m->downtime_limit_ns);
    snap_u32(s, &m->page_bytes);
    snap_require(s, m->page_bytes == PAGE_SIZE);
    snap_u32(s, &m->nr_vcpus);
    snap_require(s, m->nr_vcpus > 0 && m->nr_vcpus <= WIRE_MAX_VCPUS);
    snap_u32(s, &m->cpu);
    snap_require(s, m->cpu > CPU_BASELINE_INVALID && m->cpu <= CPU_BASELINE_HOST);
    snap_u32(s, &m->dirty);
    snap_require(s, m->dirty > DIRTY_INVALID && m->dirty <= DIRTY_WP);
    snap_u32(s, &m->flags);
    snap_require(s, (m->flags & ~WIRE_OFFER_FLAGS_KNOWN) == 0);
    snap_u32(s, &m->nr_sections);
    snap_require(s, m->nr_sections <= WIRE_MAX_SECTIONS);
    for (size_t i = 0; i < VM_CPU_FEATURE_WORDS; i++)
        snap_u32(s, &m->features[i]);
    for (size_t i = 0; i < MIN(m->nr_sections, WIRE_MAX_SECTIONS); i++) {
        snap_u16(s, &m->section[i].id);
        snap_require(s, m->section[i].id != 0);
        snap_u16(s, &m->section[i].version);
        reserved(s, 4);
    }
}

static void f_accept(struct snap *s, struct wire_accept *m) {
    id(s, m->tx);
    snap_u64(s, &m->lease_ns);
}

static void f_failure(struct snap *s, struct wire_failure *m) {
    id(s, m->tx);
    id(s, m->token);
    code_text(s, &m->code, m->text);
    reserved(s, 4);
}

static void f_round(struct snap *s, struct wire_round *m) {
    snap_u32(s, &m->round);
    snap_u32(s, &m->kind);
    snap_require(s, m->kind >= WIRE_ROUND_ALL && m->kind <= WIRE_ROUND_FINAL);
    snap_u64(s, &m->pages);
    snap_u64(s, &m->raw_pages);
    snap_u64(s, &m->zero_pages);
    snap_u64(s, &m->octets);
}

static void f_section(struct snap *s, struct wire_section *m) {
    snap_u16(s, &m->id);
    snap_require(s, m->id != 0);
    snap_u16(s, &m->version);
    snap_u32(s, &m->length);
    snap_require(s, m->length <= VM_SECTION_MAX_BYTES && m->length <= s->cap - s->pos);
    if (s->status != OK)
        return;
    if (s->loading) {
        m->data = s->buf + s->pos;
        s->pos += m->length;
    } else {
        snap_bytes(s, (void *)(uintptr_t)m->data, m->length);
    }
    reserved(s, -m->length & 7u);
}

static void f_seal(struct snap *s, struct wire_seal *m) {
    uint64_t offset = (uint64_t)m->clock_offset_ns;
    id(s, m->tx);
    snap_u64(s, &m->ram_pages);
    snap_u64(s, &m->raw_pages);
    snap_u64(s, &m->zero_pages);
    snap_u64(s, &m->digest);
    snap_u64(s, &m->section_digest);
    snap_u64(s, &m->pause_ns);
    snap_u64(s, &offset);
    m->clock_offset_ns = (int64_t)offset;
    snap_u64(s, &m->clock_error_ns);
    snap_u32(s, &m->rounds);
    snap_u32(s, &m->nr_sections);
}

static void f_ready(struct snap *s, struct wire_ready *m) {
    id(s, m->tx);
    id(s, m->token);
    snap_u64(s, &m->digest);
    snap_u64(s, &m->section_digest);
    snap_u64(s, &m->lease_ns);
}

static void f_commit(struct snap *s, struct wire_commit *m) {
    id(s, m->tx);
    id(s, m->token);
}

static void f_started(struct snap *s, struct wire_started *m) {
    id(s, m->tx);
    id(s, m->token);
    snap_u64(s, &m->first_entry_ns);
    snap_u64(s, &m->blackout_ns);
    snap_u64(s, &m->seal_received_ns);
    snap_u64(s, &m->ready_sent_ns);
    snap_u64(s, &m->commit_received_ns);
}

static void fields(struct snap *s, struct wire_msg *m) {
    switch (m->type) {
    case WIRE_HELLO: f_hello(s, &m->u.hello); break;
    case WIRE_HELLO_ACK: f_hello_ack(s, &m->u.hello_ack); break;
    case WIRE_REJECT: f_reject(s, &m->u.reject); break;
    case WIRE_CLOCK_PROBE:
    case WIRE_CLOCK_REPLY: f_clock(s, &m->u.clock); break;
    case WIRE_KEEPALIVE: snap_u64(s, &m->u.keepalive.now_ns); break;
    case WIRE_OFFER: f_offer(s, &m->u.offer); break;
    case WIRE_ACCEPT: f_accept(s, &m->u.accept); break;
    case WIRE_REFUSE:
    case WIRE_ABORT:
    case WIRE_ABORTED: f_failure(s, &m->u.failure); break;
    case WIRE_ROUND_BEGIN:
    case WIRE_ROUND_END:
    case WIRE_ROUND_ACK: f_round(s, &m->u.round); break;
    case WIRE_SECTION: f_section(s, &m->u.section); break;
    case WIRE_SEAL: f_seal(s, &m->u.seal); break;
    case WIRE_READY: f_ready(s, &m->u.ready); break;
    case WIRE_COMMIT:
    case WIRE_DONE:
    case WIRE_TX_UNKNOWN: f_commit(s, &m->u.commit); break;
    case WIRE_STARTED: f_started(s, &m->u.started); break;
    default: s->status = ERR_INVAL; break;
    }
}

/* What the field lists check while loading, they check on our own output too: decode the result of
 * encoding. */
result_t wire_encode(const struct wire_msg *msg, uint32_t seq, uint8_t *buf, size_t cap, size_t *used) {
    if (cap < WIRE_HEADER_BYTES)
        return fail(ERR_FULL);
    struct wire_msg copy = *msg;
    struct snap s;
    size_t length;
    snap_begin_save(&s, buf + WIRE_HEADER_BYTES, cap - WIRE_HEADER_BYTES);
    fields(&s, &copy);
    result_t r = snap_end(&s, &length);
    if (r != OK)
        return r;
    struct wire_msg check = {.type = msg->type};
    snap_begin_load(&s, buf + WIRE_HEADER_BYTES, length);
    fields(&s, &check);
    if (snap_end(&s, NULL) != OK)
        return fail(ERR_INVAL);
    struct wire_header h = {.type = msg->type, .length = (uint32_t)length, .seq = seq};
    h.crc = wire_crc(wire_header_crc(&h), buf + WIRE_HEADER_BYTES, length);
    wire_header_encode(&h, buf);
    *used = WIRE_HEADER_BYTES + length;
    return OK;
}

result_t wire_decode(uint16_t type, const uint8_t *body, size_t len, struct wire_msg *msg,
                     struct reason *why) {
    struct snap s;
    memset(msg, 0, sizeof *msg);
    msg->type = type;
    snap_begin_load(&s, body, len);
    fields(&s, msg);
    if (snap_end(&s, NULL) != OK)
        return reason_set(why, ERR_PROTO, "%s record is malformed near octet %lu of %lu", wire_type_str(type),
                          (unsigned long)s.pos, (unsigned long)len);
    return OK;
}
