/* SPDX-License-Identifier: MIT */
/* target.h - the receiving side of a migration as a pure step machine: (state, event) -> (state, actions).
 * No I/O and no clock in here: time comes in events, actions are bits that the driver carries out in bit
 * order.
 *
 *   GREETING -> WAIT_OFFER -> RECEIVING -> READY -> ACTIVATING -> STARTED -> DONE
 *       |           |             |          |          |
 *       v           v             v          v          v   activation failed before the first entry
 *     CLOSED      CLOSED       ABORTED <-----+<---------+
 *                                 lease ran out, ABORT, cancel
 *
 * The guest never runs here before COMMIT with the token of READY. ABORTED means: the copy is destroyed, and
 * that is the answer to this transaction for ever. In READY and later a lost connection changes nothing:
 * COMMIT can come on a new one. */
#ifndef MIGRATION_TARGET_H
#define MIGRATION_TARGET_H

#include "kernel/result.h"
#include "migration/wire.h"

enum target_state {
    TARGET_INVALID = 0,
    TARGET_GREETING,   /* connected, waiting for HELLO */
    TARGET_WAIT_OFFER, /* answering clock probes, waiting for OFFER (or COMMIT of an earlier transaction) */
    TARGET_RECEIVING,  /* everything is allocated; rounds, sections, SEAL */
    TARGET_READY,      /* complete and verified; the lease runs */
    TARGET_ACTIVATING, /* COMMIT came: this host owns the guest, waiting for its first entry */
    TARGET_STARTED,    /* the guest runs here; waiting for DONE */
    TARGET_DONE,
    TARGET_ABORTED, /* the copy is destroyed */
    TARGET_CLOSED,  /* ended before there was a transaction */
    TARGET_NR_STATES
};
const char *target_state_str(enum target_state s);

enum target_event_type {
    TARGET_EV_INVALID = 0,
    TARGET_EV_HELLO,     /* match: version fits */
    TARGET_EV_OFFER,     /* match: everything checked and allocated; otherwise code, text */
    TARGET_EV_OFFER_DRY, /* dry run: match as for OFFER; nothing is kept */
    TARGET_EV_SEAL,      /* match: counts and digests equal */
    TARGET_EV_COMMIT,    /* match: transaction and token; on the old or on a new connection */
    TARGET_EV_FIRST_ENTRY,
    TARGET_EV_LOCAL_ERROR, /* something failed on this host (in ACTIVATING: before the guest ran) */
    TARGET_EV_DONE,
    TARGET_EV_PEER_ABORT,
    TARGET_EV_CANCEL,
    TARGET_EV_LINK_LOST,
    TARGET_EV_PROTO_ERROR,
    TARGET_EV_ATTACHED, /* a new connection took the place of the old one */
    TARGET_EV_ANSWERED, /* WAIT_OFFER: the connection only asked about an earlier transaction */
    TARGET_EV_HEARD,
    TARGET_EV_TICK,
    TARGET_NR_EVENTS
};
const char *target_event_str(enum target_event_type e);

struct target_event {
    enum target_event_type type;
    uint64_t now_ns;
    bool match;
    uint32_t code;
    const char *text;
};

/* Carried out in this order. */
#define TARGET_ACT_DESTROY BIT(0)          /* the copy; always before ABORTED leaves */
#define TARGET_ACT_REMEMBER_ABORTED BIT(1) /* always before ABORTED leaves */
#define TARGET_ACT_ACTIVATE BIT(2)
#define TARGET_ACT_REMEMBER_STARTED BIT(3)
#define TARGET_ACT_SEND_HELLO_ACK BIT(4)
#define TARGET_ACT_SEND_REJECT BIT(5)
#define TARGET_ACT_SEND_ACCEPT BIT(6)
#define TARGET_ACT_SEND_REFUSE BIT(7)
#define TARGET_ACT_SEND_READY BIT(8)
#define TARGET_ACT_SEND_STARTED BIT(9)
#define TARGET_ACT_SEND_ABORTED BIT(10)
#define TARGET_ACT_CLOSE BIT(11) /* after what was written */
#define TARGET_ACT_DROP BIT(12)  /* at once */
#define TARGET_ACT_FINISH BIT(13)

struct target_times {  /* nanoseconds */
    uint64_t greeting; /* for HELLO and OFFER together */
    uint64_t silent;
    uint64_t lease;
};

struct target_machine {
    enum target_state state;
    struct target_times times;
    bool linked;
    uint64_t begun_ns;
    uint64_t since_ns;
    uint64_t heard_ns;
    uint32_t code;
    struct reason why;
};

void target_init(struct target_machine *m, const struct target_times *t, uint64_t now_ns); /* -> GREETING */
uint32_t target_step(struct target_machine *m, const struct target_event *ev);

bool target_edge_is_legal(enum target_state from, enum target_state to);
bool target_is_final(enum target_state s);
bool target_owns_guest(enum target_state s);

#endif
