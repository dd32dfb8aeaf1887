/* SPDX-License-Identifier: MIT */
/* sender.h - the page pump of the source: walks the bitmap of pages to send and writes PAGES records.
 * - sender_init / sender_exit: bitmap, 8 octets per page for hashes.
 * - sender_fill: every page is to be sent. sender_collected: more bits were set in sender->bitmap by the
 * dirty log.
 * - sender_round_begin: counters to zero, cursor to the start.
 * - sender_pump: one PAGES record, as long as there is room; bits are cleared as pages leave.
 * A page is hashed where it lies and then copied once, into the send queue. If the guest writes between the
 * two, the page is dirty, is sent again, and both sides replace what they counted for it, so the digest stays
 * right. The queue is bounded (SENDER_MAX_QUEUED), so that the blackout never waits behind a deep one. */
#ifndef MIGRATION_SENDER_H
#define MIGRATION_SENDER_H

#include "guest/gmem.h"
#include "net/stream.h"

#define SENDER_BATCH_RAW 16u /* pages with content in one record */
#define SENDER_BATCH_RUNS 32u
#define SENDER_BATCH_SCAN 64u /* pages looked at for one record */
#define SENDER_MIN_RAW 4u     /* do not bother with less room than this, unless the queue is empty */
#define SENDER_MAX_QUEUED (512 * KIB)
#define SENDER_RESERVE 4096u /* room kept for control records */

struct sender {
    struct gmem *gmem;
    uint64_t *bitmap; /* pages to send; nr_words 64-bit words */
    uint64_t *hash;   /* of each page as last sent */
    size_t nr_words;
    uint64_t left; /* bits set in bitmap */
    uint64_t
        cursor; /* next page index to look at in this round; nr_pages: no bit lies ahead, the round is over */
    uint64_t digest; /* sum of hash[] */
    uint64_t round_raw, round_zero, round_octets;
    uint64_t raw_pages, zero_pages, octets; /* over all rounds */
};

result_t sender_init(struct sender *s, struct gmem *gmem) MUST_CHECK; /* ERR_NOMEM */
void sender_exit(struct sender *s);
void sender_fill(struct sender *s);
static inline void sender_collected(struct sender *s, uint64_t newly_set) {
    s->left += newly_set;
}
void sender_round_begin(struct sender *s);
static inline bool sender_round_is_over(const struct sender *s) {
    return s->left == 0 || s->cursor >= s->gmem->nr_pages;
}

/* sender_pump - seq: number of the next record, advanced when one was written.
 * OK: a record was written or the round is over. ERR_FULL: no room now. budget: pages that may be looked at;
 * counted down. */
result_t sender_pump(struct sender *s, struct stream *stream, uint32_t round, uint32_t *seq,
                     unsigned *budget) MUST_CHECK;

#endif
