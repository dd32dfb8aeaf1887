/* SPDX-License-Identifier: MIT */
/* COMMIT on a connection of its own: the source lost the first one and asks what became of its guest. */
#include "migration/session.h"

#include <string.h>

static struct session *find_owner(struct session *s, const struct wire_commit *m) {
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++) {
        struct session *o = &s->host->session[i];
        if (o != s && o->used && o->role == MIGRATE_TARGET && memcmp(o->tx, m->tx, WIRE_ID_LEN) == 0 &&
            memcmp(o->token, m->token, WIRE_ID_LEN) == 0 &&
            (o->tgt.m.state == TARGET_READY || o->tgt.m.state == TARGET_ACTIVATING))
            return o;
    }
    return NULL;
}

/* COMMIT on a fresh connection: hand the connection to the session that waits for it, or answer from
 * memory. */
void target_resolve(struct session *s, const struct wire_commit *m, uint64_t now_ns) {
    struct session *owner = find_owner(s, m);
    const struct history_entry *e = history_find(&s->host->history, m->tx);
    struct target_event ev = {
        .type = TARGET_EV_ANSWERED, .now_ns = now_ns, .text = "asked about an earlier migration"};
    if (owner != NULL) {
        channel_drop(&owner->ch);
        channel_move(&owner->ch, &s->ch);
        s->tgt.m.linked = false;
        target_driver_event(s, ev);
        target_driver_event(owner, (struct target_event){.type = TARGET_EV_ATTACHED, .now_ns = now_ns});
        target_driver_event(owner, (struct target_event){.type = TARGET_EV_HEARD, .now_ns = now_ns});
        target_driver_event(owner,
                            (struct target_event){.type = TARGET_EV_COMMIT, .now_ns = now_ns, .match = true});
        return;
    }
    struct wire_msg msg = {.type = WIRE_TX_UNKNOWN, .u.commit = *m};
    if (e != NULL && memcmp(e->token, m->token, WIRE_ID_LEN) == 0) {
        memcpy(s->tx, m->tx, WIRE_ID_LEN);
        memcpy(s->token, m->token, WIRE_ID_LEN);
        if (e->was_started)
            msg = (struct wire_msg){.type = WIRE_STARTED, .u.started = e->started};
        else
            session_failure_msg(s, WIRE_ABORTED, e->code, e->why.text, &msg);
    }
    session_send(s, &msg);
    target_driver_event(s, ev);
}
