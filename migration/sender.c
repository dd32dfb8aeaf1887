/* SPDX-License-Identifier: MIT */
#include "migration/sender.h"

#include "migration/page_scan.h"
#include "migration/wire.h"

#include <stdlib.h>
#include <string.h>

result_t sender_init(struct sender *s, struct gmem *gmem) {
    size_t words = (gmem->nr_pages + 63) / 64;
    *s = (struct sender){
        .gmem = gmem,
        .bitmap = calloc(words, sizeof(uint64_t)),
        .hash = calloc(gmem->nr_pages, sizeof(uint64_t)),
        .nr_words = words,
    };
    if (s->bitmap != NULL && s->hash != NULL)
        return OK;
    sender_exit(s);
    return fail(ERR_NOMEM);
}

void sender_exit(struct sender *s) {
    free(s->bitmap);
    free(s->hash);
    *s = (struct sender){0};
}

void sender_fill(struct sender *s) {
    uint64_t whole = s->gmem->nr_pages >> 6, rest = s->gmem->nr_pages & 63;
    memset(s->bitmap, 0xff, whole * sizeof *s->bitmap);
    if (rest != 0)
        s->bitmap[whole] |= BIT(rest) - 1;
    s->left = s->gmem->nr_pages;
}

void sender_round_begin(struct sender *s) {
    s->cursor = 0;
    s->round_raw = s->round_zero = s->round_octets = 0;
}

/* Index of the next page to send at or after the cursor; false: the round is over. */
static bool next_page(struct sender *s, uint64_t *index) {
    size_t w = s->cursor >> 6;
    uint64_t bits = w < s->nr_words ? s->bitmap[w] & (~0ull << (s->cursor & 63)) : 0;
    while (bits == 0) {
        if (++w >= s->nr_words) {
            s->cursor = s->gmem->nr_pages;
            return false;
        }
        bits = s->bitmap[w];
    }
    *index = ((uint64_t)w << 6) + (uint64_t)__builtin_ctzll(bits);
    return true;
}

struct batch {
    unsigned nr_runs, raw;
    struct wire_run run[SENDER_BATCH_RUNS];
};

/* Look at pages and fill the run table; bits of the pages in it are cleared. */
static void build(struct sender *s, struct batch *b, unsigned max_raw, unsigned *budget) {
    uint64_t index;
    struct wire_run *r = NULL;
    for (unsigned n = 0; n<SENDER_BATCH_SCAN && * budget> 0 && next_page(s, &index); n++) {
        uint64_t hash;
        bool zero = page_scan(index, gmem_page(s->gmem, index), &hash);
        uint8_t kind = zero ? WIRE_PAGE_ZERO : WIRE_PAGE_RAW;
        if (!zero && b->raw == max_raw)
            return; /* scanned again for the next record */
        if (r == NULL || r->kind != kind || r->first + r->count != index) {
            if (b->nr_runs == SENDER_BATCH_RUNS)
                return;
            r = &b->run[b->nr_runs++];
            *r = (struct wire_run){.first = index, .kind = kind};
        }
        r->count++;
        b->raw += zero ? 0 : 1;
        s->round_raw += zero ? 0 : 1;
        s->round_zero += zero ? 1 : 0;
        s->digest += hash - s->hash[index];
        s->hash[index] = hash;
        s->bitmap[index >> 6] &= ~BIT(index & 63);
        s->left--;
        s->cursor = index + 1;
        --*budget;
        if (b->raw == max_raw)
            return;
    }
}

static void put(uint8_t *p, uint64_t v, unsigned octets) {
    for (unsigned i = 0; i < octets; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static result_t write_head(const struct batch *b, struct stream *stream, uint32_t round, uint32_t seq,
                           size_t *octets) {
    uint8_t buf[WIRE_HEADER_BYTES + WIRE_PAGES_HEAD_BYTES + 8 * SENDER_BATCH_RUNS];
    uint8_t *table = buf + WIRE_HEADER_BYTES;
    size_t len = WIRE_PAGES_HEAD_BYTES + 8 * b->nr_runs;
    put(table, round, 4);
    put(table + 4, b->nr_runs, 4);
    for (unsigned i = 0; i < b->nr_runs; i++)
        put(table + WIRE_PAGES_HEAD_BYTES + 8 * i, wire_run_pack(b->run[i]), 8);
    struct wire_header h = {.type = WIRE_PAGES, .length = (uint32_t)(len + b->raw * PAGE_SIZE), .seq = seq};
    h.crc = wire_crc(wire_header_crc(&h), table, len);
    wire_header_encode(&h, buf);
    *octets = WIRE_HEADER_BYTES + h.length;
    return stream_write(stream, buf, WIRE_HEADER_BYTES + len);
}

/* Runs of pages that lie in one chunk go out in one call. */
static result_t write_run(const struct sender *s, struct stream *stream, struct wire_run r) {
    while (r.count > 0) {
        uint64_t in_chunk = 512 - (r.first & 511);
        uint32_t n = (uint32_t)MIN((uint64_t)r.count, in_chunk);
        result_t result = stream_write(stream, gmem_page(s->gmem, r.first), n * PAGE_SIZE);
        if (result != OK)
            return result;
        r.first += n;
        r.count -= n;
    }
    return OK;
}

/* Pages with content that may be queued now; 0: none. */
static unsigned room(struct stream *stream) {
    const size_t head = WIRE_HEADER_BYTES + WIRE_PAGES_HEAD_BYTES + 8 * SENDER_BATCH_RUNS + SENDER_RESERVE;
    size_t space = stream_space(stream), queued = stream_unacked(stream);
    if (space < head + PAGE_SIZE || queued >= SENDER_MAX_QUEUED)
        return 0;
    unsigned pages = (unsigned)MIN((space - head) / PAGE_SIZE, (size_t)SENDER_BATCH_RAW);
    return pages >= SENDER_MIN_RAW || queued == 0 ? pages : 0;
}

result_t sender_pump(struct sender *s, struct stream *stream, uint32_t round, uint32_t *seq,
                     unsigned *budget) {
    if (sender_round_is_over(s) || *budget == 0)
        return OK;
    unsigned max_raw = room(stream);
    if (max_raw == 0)
        return fail(ERR_FULL);
    struct batch b = {0};
    size_t octets = 0;
    build(s, &b, max_raw, budget);
    if (b.nr_runs == 0) /* bits lie only behind the cursor: they are the next round's */
        return OK;
    result_t r = write_head(&b, stream, round, *seq, &octets);
    for (unsigned i = 0; r == OK && i < b.nr_runs; i++)
        if (b.run[i].kind == WIRE_PAGE_RAW)
            r = write_run(s, stream, b.run[i]);
    ++*seq;
    s->raw_pages += b.raw;
    for (unsigned i = 0; i < b.nr_runs; i++)
        s->zero_pages += b.run[i].kind == WIRE_PAGE_ZERO ? b.run[i].count : 0;
    s->round_octets += octets;
    s->octets += octets;
    return r == OK ? OK : fail(ERR_LINK);
}
