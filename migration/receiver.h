/* SPDX-License-Identifier: MIT */
/* receiver.h - the parser of a migration stream, fed with octets in pieces of any size; both sides use it.
 * - receiver_init / receiver_exit.
 * - receiver_feed: take octets until a record is complete, something is wrong, the budget is used up, or no
 * more are there.
 * - receiver_set_store: from now on PAGES records are legal, and their pages go straight into that VM's
 * memory. A control record is collected, its checksum verified, and decoded before anyone sees it. Of a PAGES
 * record the run table is verified completely before the first page is written. Hostile input cannot make it
 * allocate or write out of bounds. Pure but for malloc. */
#ifndef MIGRATION_RECEIVER_H
#define MIGRATION_RECEIVER_H

#include "migration/page_store.h"
#include "migration/wire.h"

enum receiver_result {
    RECEIVER_INVALID = 0,
    RECEIVER_MORE,   /* everything given was used (or the budget was): come again */
    RECEIVER_RECORD, /* rx->msg holds a control record; SECTION: data stays valid until the next call */
    RECEIVER_ERROR,  /* rx->why and rx->code say what is wrong; the stream cannot go on */
};

enum receiver_phase { RX_HEADER = 1, RX_BODY, RX_SKIP, RX_TABLE, RX_DATA, RX_BROKEN };

struct receiver {
    enum receiver_phase phase;
    uint32_t seq; /* of the next record */
    struct wire_header head;
    uint8_t *body; /* WIRE_MAX_CONTROL_BYTES */
    size_t have;   /* octets of the header, body, table or page collected so far */
    size_t want;
    size_t skip; /* octets of an unknown optional record left */
    struct wire_msg msg;
    uint32_t code; /* enum wire_code */
    struct reason why;
    uint64_t octets; /* consumed in all */
    uint64_t pages;  /* pages handled in all */
    struct page_store *store;
    unsigned nr_runs, run; /* RX_DATA: table in body, current entry */
    struct wire_run cur;   /* what is left of the current run */
};

result_t receiver_init(struct receiver *rx) MUST_CHECK; /* ERR_NOMEM */
void receiver_exit(struct receiver *rx);
void receiver_set_store(struct receiver *rx, struct page_store *store);
/* receiver_feed - used: octets taken from data (all of them unless a record ended, an error came or the
 * budget ran out). budget: pages that may still be handled; counted down. */
enum receiver_result receiver_feed(struct receiver *rx, const uint8_t *data, size_t len, size_t *used,
                                   unsigned *budget);
/* receiver_is_idle - between two records. */
bool receiver_is_idle(const struct receiver *rx);

#endif
