/* SPDX-License-Identifier: MIT */
/* page_store.h - the target's view of the memory that is coming in: hashes, digest, counts.
 * - page_store_init / page_store_exit: 8 octets per page for hashes, one bit per page for "came at least
 * once".
 * - page_store_round_begin / page_store_round_end: announced and received counts must agree.
 * - page_store_zero: one zero page came. page_store_stored: one page's content was written in place.
 * - page_store_audit: recompute the digest from the memory itself.
 * Pure but for malloc. */
#ifndef MIGRATION_PAGE_STORE_H
#define MIGRATION_PAGE_STORE_H

#include "guest/gmem.h"
#include "migration/wire.h"

struct page_store {
    struct gmem *gmem;
    uint64_t *hash; /* per page, 0 before it came */
    uint64_t *came; /* bitmap */
    uint64_t nr_came;
    uint64_t digest;                        /* sum of hash[] */
    uint64_t raw_pages, zero_pages, octets; /* over all rounds */
    bool in_round;
    uint32_t round;     /* current, or number of complete rounds when not in one */
    uint32_t kind;      /* of the current or last round */
    uint64_t announced; /* pages of this round */
    uint64_t round_raw, round_zero;
    uint64_t round_octets; /* PAGES records with their headers */
};

result_t page_store_init(struct page_store *s, struct gmem *gmem) MUST_CHECK;
void page_store_exit(struct page_store *s);
result_t page_store_round_begin(struct page_store *s, const struct wire_round *r,
                                struct reason *why) MUST_CHECK;
result_t page_store_round_end(struct page_store *s, const struct wire_round *r,
                              struct reason *why) MUST_CHECK;
/* index < gmem->nr_pages; in a round. */
void page_store_zero(struct page_store *s, uint64_t index);
void page_store_stored(struct page_store *s, uint64_t index);
/* page_store_audit - hash pages [*next, ...) up to budget pages; true when all are done and *sum is the
 * digest. */
bool page_store_audit(const struct page_store *s, uint64_t *next, uint64_t *sum, uint64_t budget);

#endif
