/* SPDX-License-Identifier: MIT */
#include "migration/history.h"

#include <string.h>

static struct history_entry *add(struct history *h, const uint8_t *tx, const uint8_t *token) {
    struct history_entry *e = &h->entry[h->next++ % HISTORY_LEN];
    *e = (struct history_entry){.used = true};
    memcpy(e->tx, tx, WIRE_ID_LEN);
    memcpy(e->token, token, WIRE_ID_LEN);
    return e;
}

void history_started(struct history *h, const struct wire_started *s) {
    struct history_entry *e = add(h, s->tx, s->token);
    e->was_started = true;
    e->started = *s;
}

void history_aborted(struct history *h, const uint8_t *tx, const uint8_t *token, uint32_t code,
                     const char *why) {
    struct history_entry *e = add(h, tx, token);
    e->code = code;
    (void)reason_set(&e->why, OK, "%s", why);
}

const struct history_entry *history_find(const struct history *h, const uint8_t *tx) {
    for (unsigned i = 0; i < HISTORY_LEN; i++)
        if (h->entry[i].used && memcmp(h->entry[i].tx, tx, WIRE_ID_LEN) == 0)
            return &h->entry[i];
    return NULL;
}
