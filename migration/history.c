/* SPDX-License-Identifier: MIT */
#include "migration/history.h"

#include <string.h>

static unsigned rank(const struct history_entry *e) {
    return !e->used ? 0 : !e->was_ready || e->settled ? 1 : !e->was_started ? 2 : 3;
}

/* The entry to give up for one of this rank: the oldest of the lowest rank, not above its own. */
static struct history_entry *victim(struct history *h, unsigned limit) {
    struct history_entry *best = NULL;
    for (unsigned i = 0; i < HISTORY_LEN; i++) {
        struct history_entry *e = &h->entry[i];
        if (rank(e) <= limit &&
            (best == NULL || rank(e) < rank(best) || (rank(e) == rank(best) && e->age < best->age)))
            best = e;
    }
    return best;
}

static struct history_entry *add(struct history *h, const uint8_t *tx, const uint8_t *token, unsigned limit) {
    struct history_entry *e = victim(h, limit);
    if (e == NULL)
        return NULL;
    *e = (struct history_entry){.used = true, .age = h->next++, .was_ready = limit >= 2};
    memcpy(e->tx, tx, WIRE_ID_LEN);
    memcpy(e->token, token, WIRE_ID_LEN);
    return e;
}

void history_started(struct history *h, const struct wire_started *s) {
    struct history_entry *e = add(h, s->tx, s->token, 3);
    e->was_started = true;
    e->started = *s;
}

void history_aborted(struct history *h, const uint8_t *tx, const uint8_t *token, bool ready, uint32_t code,
                     const char *why) {
    struct history_entry *e = add(h, tx, token, ready ? 2 : 1);
    if (e == NULL) /* the table holds only what matters more */
        return;
    e->code = code;
    (void)reason_set(&e->why, OK, "%s", why);
}

void history_settled(struct history *h, const uint8_t *tx) {
    for (unsigned i = 0; i < HISTORY_LEN; i++)
        if (h->entry[i].used && memcmp(h->entry[i].tx, tx, WIRE_ID_LEN) == 0)
            h->entry[i].settled = true;
}

const struct history_entry *history_find(const struct history *h, const uint8_t *tx) {
    for (unsigned i = 0; i < HISTORY_LEN; i++)
        if (h->entry[i].used && memcmp(h->entry[i].tx, tx, WIRE_ID_LEN) == 0)
            return &h->entry[i];
    return NULL;
}
