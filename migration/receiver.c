/* SPDX-License-Identifier: MIT */
#include "migration/receiver.h"

#include "migration/copy.h"

#include <stdlib.h>

static void expect(struct receiver *rx, enum receiver_phase phase, size_t want) {
    rx->phase = phase;
    rx->have = 0;
    rx->want = want;
}

result_t receiver_init(struct receiver *rx) {
    *rx = (struct receiver){.body = malloc(WIRE_MAX_CONTROL_BYTES)};
    expect(rx, RX_HEADER, WIRE_HEADER_BYTES);
    return rx->body != NULL ? OK : fail(ERR_NOMEM);
}

void receiver_exit(struct receiver *rx) {
    free(rx->body);
    *rx = (struct receiver){0};
}

void receiver_set_store(struct receiver *rx, struct page_store *store) {
    rx->store = store;
}

bool receiver_is_idle(const struct receiver *rx) {
    return rx->phase == RX_HEADER && rx->have == 0;
}

static enum receiver_result broken(struct receiver *rx, uint32_t code) {
    rx->phase = RX_BROKEN;
    rx->code = code;
    return RECEIVER_ERROR;
}

/* Collect into body; true when `want` octets are there. */
static bool collect(struct receiver *rx, const uint8_t *data, size_t len, size_t *used) {
    size_t n = MIN(rx->want - rx->have, len - *used);
    if (n > 0)
        memcpy(rx->body + rx->have, data + *used, n);
    rx->have += n;
    *used += n;
    return rx->have == rx->want;
}

static enum receiver_result take_header(struct receiver *rx) {
    bool known;
    wire_header_decode(&rx->head, rx->body);
    result_t r = wire_header_check(&rx->head, rx->seq, &known, &rx->why);
    if (r != OK)
        return broken(rx, r == ERR_UNSUPP ? WIRE_CODE_UNKNOWN_RECORD : WIRE_CODE_PROTOCOL);
    rx->seq++;
    if (!known) {
        expect(rx, RX_SKIP, 0);
        rx->skip = rx->head.length;
    } else if (rx->head.type != WIRE_PAGES) {
        expect(rx, RX_BODY, rx->head.length);
    } else if (rx->store == NULL || !rx->store->in_round) {
        (void)reason_set(&rx->why, OK, "PAGES came outside a round");
        return broken(rx, WIRE_CODE_PROTOCOL);
    } else {
        expect(rx, RX_TABLE, WIRE_PAGES_HEAD_BYTES);
    }
    return RECEIVER_MORE;
}

static enum receiver_result checksum_error(struct receiver *rx) {
    (void)reason_set(&rx->why, OK, "checksum of record %u (%s) is wrong: the stream was corrupted",
                     rx->head.seq, wire_type_str(rx->head.type));
    return broken(rx, WIRE_CODE_PROTOCOL);
}

static enum receiver_result take_body(struct receiver *rx) {
    if (wire_crc(wire_header_crc(&rx->head), rx->body, rx->head.length) != rx->head.crc)
        return checksum_error(rx);
    if (wire_decode(rx->head.type, rx->body, rx->head.length, &rx->msg, &rx->why) != OK)
        return broken(rx, WIRE_CODE_PROTOCOL);
    expect(rx, RX_HEADER, WIRE_HEADER_BYTES);
    return RECEIVER_RECORD;
}

static uint64_t get(const uint8_t *p, unsigned octets) {
    uint64_t v = 0;
    for (unsigned i = 0; i < octets; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static struct wire_run run_at(const struct receiver *rx, unsigned i) {
    return wire_run_unpack(get(rx->body + WIRE_PAGES_HEAD_BYTES + 8 * i, 8));
}

/* Every run: known kind, not empty, ascending, inside memory; and the raw ones together exactly fill the
 * record. */
static bool table_is_sound(struct receiver *rx) {
    uint64_t end = 0, raw = 0, total = rx->store->round_raw + rx->store->round_zero;
    for (unsigned i = 0; i < rx->nr_runs; i++) {
        struct wire_run r = run_at(rx, i);
        if ((r.kind != WIRE_PAGE_RAW && r.kind != WIRE_PAGE_ZERO) || r.count == 0 || r.first < end ||
            r.first + r.count > rx->store->gmem->nr_pages) {
            (void)reason_set(&rx->why, OK,
                             "PAGES record %u: bad run %u: %u %s pages from %lu (the VM has %lu)",
                             rx->head.seq, i, r.count, wire_page_kind_str(r.kind), (unsigned long)r.first,
                             (unsigned long)rx->store->gmem->nr_pages);
            return false;
        }
        end = r.first + r.count;
        total += r.count;
        raw += r.kind == WIRE_PAGE_RAW ? r.count : 0;
    }
    if (raw * PAGE_SIZE != rx->head.length - rx->want || total > rx->store->announced) {
        (void)reason_set(&rx->why, OK,
                         "PAGES record %u: %lu raw pages do not fit %u octets, or more pages than the "
                         "%lu announced",
                         rx->head.seq, (unsigned long)raw, rx->head.length,
                         (unsigned long)rx->store->announced);
        return false;
    }
    return true;
}

static enum receiver_result take_table(struct receiver *rx) {
    if (rx->want == WIRE_PAGES_HEAD_BYTES) { /* so far only {round, nr_runs} */
        uint32_t round = (uint32_t)get(rx->body, 4);
        rx->nr_runs = (unsigned)get(rx->body + 4, 4);
        if (round != rx->store->round || rx->nr_runs == 0 || rx->nr_runs > WIRE_MAX_RUNS ||
            WIRE_PAGES_HEAD_BYTES + 8 * rx->nr_runs > rx->head.length) {
            (void)reason_set(&rx->why, OK, "PAGES record %u of round %u with %u runs in round %u",
                             rx->head.seq, round, rx->nr_runs, rx->store->round);
            return broken(rx, WIRE_CODE_PROTOCOL);
        }
        rx->want = WIRE_PAGES_HEAD_BYTES + 8 * rx->nr_runs;
        return RECEIVER_MORE;
    }
    if (wire_crc(wire_header_crc(&rx->head), rx->body, rx->want) != rx->head.crc)
        return checksum_error(rx);
    if (!table_is_sound(rx))
        return broken(rx, WIRE_CODE_PROTOCOL);
    rx->run = 0;
    rx->cur = run_at(rx, 0);
    rx->store->round_octets += WIRE_HEADER_BYTES + rx->head.length;
    rx->store->octets += rx->head.length;
    expect(rx, RX_DATA, PAGE_SIZE);
    return RECEIVER_MORE;
}

/* One page, or a part of one. False: no octets or no budget left. */
static bool take_page(struct receiver *rx, const uint8_t *data, size_t len, size_t *used, unsigned *budget) {
    if (*budget == 0)
        return false;
    if (rx->cur.kind == WIRE_PAGE_ZERO) {
        page_store_zero(rx->store, rx->cur.first);
    } else {
        size_t n = MIN(PAGE_SIZE - rx->have, len - *used);
        if (n == 0)
            return false;
        copy_octets(gmem_page_rw(rx->store->gmem, rx->cur.first) + rx->have, data + *used, n);
        rx->have += n;
        *used += n;
        if (rx->have < PAGE_SIZE)
            return false;
        rx->have = 0;
        page_store_stored(rx->store, rx->cur.first);
    }
    rx->pages++;
    --*budget;
    rx->cur.first++;
    if (--rx->cur.count == 0) {
        if (++rx->run == rx->nr_runs)
            expect(rx, RX_HEADER, WIRE_HEADER_BYTES);
        else
            rx->cur = run_at(rx, rx->run);
    }
    return true;
}

static enum receiver_result advance(struct receiver *rx) {
    switch (rx->phase) {
    case RX_HEADER: return take_header(rx);
    case RX_BODY: return take_body(rx);
    default: return take_table(rx);
    }
}

enum receiver_result receiver_feed(struct receiver *rx, const uint8_t *data, size_t len, size_t *used,
                                   unsigned *budget) {
    enum receiver_result r = RECEIVER_MORE;
    *used = 0;
    while (r == RECEIVER_MORE) {
        if (rx->phase == RX_BROKEN)
            return RECEIVER_ERROR;
        if (rx->phase == RX_DATA) {
            if (!take_page(rx, data, len, used, budget))
                break;
        } else if (rx->phase == RX_SKIP) {
            size_t n = MIN(rx->skip, len - *used);
            *used += n;
            rx->skip -= n;
            if (rx->skip > 0)
                break;
            expect(rx, RX_HEADER, WIRE_HEADER_BYTES);
        } else {
            if (!collect(rx, data, len, used))
                break;
            r = advance(rx);
        }
    }
    rx->octets += *used;
    return r;
}
