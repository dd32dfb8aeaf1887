/* SPDX-License-Identifier: MIT */
/* history.h - what became of finished transactions, so that a repeated COMMIT always gets the same answer.
 * - history_started / history_aborted: remember. - history_find: NULL when unknown (or displaced by newer
 * ones). Pure. */
#ifndef MIGRATION_HISTORY_H
#define MIGRATION_HISTORY_H

#include "migration/wire.h"

#define HISTORY_LEN 64

struct history_entry {
    bool used;
    bool was_started;
    uint8_t tx[WIRE_ID_LEN];
    uint8_t token[WIRE_ID_LEN]; /* zero: never reached READY */
    struct wire_started started;
    uint32_t code;
    struct reason why;
};

struct history {
    struct history_entry entry[HISTORY_LEN];
    unsigned next;
};

void history_started(struct history *h, const struct wire_started *s);
void history_aborted(struct history *h, const uint8_t *tx, const uint8_t *token, uint32_t code,
                     const char *why);
const struct history_entry *history_find(const struct history *h, const uint8_t *tx);

#endif
