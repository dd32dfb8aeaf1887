/* SPDX-License-Identifier: MIT */
/* history.h - what became of finished transactions, so that a repeated COMMIT always gets the same answer.
 * - history_started / history_aborted: remember. ready: it had been READY, so the source may be in doubt about it.
 * - history_settled: the source said DONE, it will not ask again.
 * - history_find: NULL when unknown (or displaced).
 * A full table displaces the oldest that no source can be in doubt about, then the oldest that was aborted, and one
 * that was started only by another that was. Pure. */
#ifndef MIGRATION_HISTORY_H
#define MIGRATION_HISTORY_H

#include "migration/wire.h"

#define HISTORY_LEN 64

struct history_entry {
    bool used;
    uint64_t age;
    bool was_started;
    uint8_t tx[WIRE_ID_LEN];
    bool was_ready;
    bool settled;
    uint8_t token[WIRE_ID_LEN]; /* of READY */
    struct wire_started started;
    uint32_t code;
    struct reason why;
};

struct history {
    struct history_entry entry[HISTORY_LEN];
    uint64_t next; /* age of the next entry */
};

void history_started(struct history *h, const struct wire_started *s);
void history_aborted(struct history *h, const uint8_t *tx, const uint8_t *token, bool ready, uint32_t code,
                     const char *why);
void history_settled(struct history *h, const uint8_t *tx);
const struct history_entry *history_find(const struct history *h, const uint8_t *tx);

#endif
