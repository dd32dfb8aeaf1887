/* SPDX-License-Identifier: MIT */
#include "migration/page_store.h"

#include "migration/copy.h"
#include "migration/page_scan.h"

#include <stdlib.h>

result_t page_store_init(struct page_store *s, struct gmem *gmem) {
    *s = (struct page_store){
        .gmem = gmem,
        .hash = calloc(gmem->nr_pages, sizeof(uint64_t)),
        .came = calloc((gmem->nr_pages + 63) / 64, sizeof(uint64_t)),
    };
    if (s->hash != NULL && s->came != NULL)
        return OK;
    page_store_exit(s);
    return fail(ERR_NOMEM);
}

void page_store_exit(struct page_store *s) {
    free(s->hash);
    free(s->came);
    *s = (struct page_store){0};
}

result_t page_store_round_begin(struct page_store *s, const struct wire_round *r, struct reason *why) {
    bool first = s->round == 0;
    if (s->in_round || r->round != s->round + 1 || (r->kind == WIRE_ROUND_ALL) != first ||
        s->kind == WIRE_ROUND_FINAL)
        return reason_set(why, ERR_PROTO, "round %u (%s) cannot begin after round %u", r->round,
                          wire_round_kind_str(r->kind), s->round);
    if (r->pages > s->gmem->nr_pages || (first && r->pages != s->gmem->nr_pages))
        return reason_set(why, ERR_PROTO, "round %u announces %lu pages, the VM has %lu", r->round,
                          (unsigned long)r->pages, (unsigned long)s->gmem->nr_pages);
    s->in_round = true;
    s->round = r->round;
    s->kind = r->kind;
    s->announced = r->pages;
    s->round_raw = s->round_zero = s->round_octets = 0;
    return OK;
}

result_t page_store_round_end(struct page_store *s, const struct wire_round *r, struct reason *why) {
    if (!s->in_round || r->round != s->round || r->kind != s->kind)
        return reason_set(why, ERR_PROTO, "end of round %u came in round %u", r->round, s->round);
    if (r->raw_pages != s->round_raw || r->zero_pages != s->round_zero ||
        s->round_raw + s->round_zero != s->announced)
        return reason_set(
            why, ERR_PROTO, "round %u: %lu + %lu zero pages came, the source counted %lu + %lu of %lu",
            s->round, (unsigned long)s->round_raw, (unsigned long)s->round_zero, (unsigned long)r->raw_pages,
            (unsigned long)r->zero_pages, (unsigned long)s->announced);
    s->in_round = false;
    return OK;
}

static void replace(struct page_store *s, uint64_t index, uint64_t hash) {
    s->digest += hash - s->hash[index];
    s->hash[index] = hash;
    s->nr_came += (s->came[index >> 6] >> (index & 63) & 1) ^ 1;
    s->came[index >> 6] |= BIT(index & 63);
}

void page_store_zero(struct page_store *s, uint64_t index) {
    if (!page_is_zero(gmem_page(s->gmem, index)))
        zero_page(gmem_page_rw(s->gmem, index));
    replace(s, index, page_hash_zero(index));
    s->zero_pages++;
    s->round_zero++;
}

void page_store_stored(struct page_store *s, uint64_t index) {
    replace(s, index, page_hash(index, gmem_page(s->gmem, index)));
    s->raw_pages++;
    s->round_raw++;
}

bool page_store_audit(const struct page_store *s, uint64_t *next, uint64_t *sum, uint64_t budget) {
    for (; budget > 0 && *next < s->gmem->nr_pages; budget--, ++*next) {
        uint64_t hash;
        page_scan(*next, gmem_page(s->gmem, *next), &hash);
        *sum += hash;
    }
    return *next == s->gmem->nr_pages;
}
