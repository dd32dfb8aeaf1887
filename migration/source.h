/* SPDX-License-Identifier: MIT */
/* source.h - the sending side of a migration as a pure step machine: (state, event) -> (state, actions).
 * No I/O and no clock in here: time comes in events, actions are bits that the driver carries out in bit
 * order.
 *
 *   CONNECTING -> HELLO -> CLOCK -> OFFERED -> PRECOPY <-> DRAINING -> STOPPING -> SEALED -> COMMITTED
 *       |           |        |        |  |        |            |           |          |         |  ^  |
 *       |           |        |        |  +-> CHECKED (dry run) |           |          |         |  |  | STARTED
 *       v           v        v        v           v            v           v          v         |  |  v
 *       +-----------+--------+--------+-> FAILED <+------------+-----------+----------+         |  | DONE
 *                the guest runs on here ^                                                       |  |
 *                                       | ABORTED(token) only                        link lost, |  | COMMIT
 *                                       +----------- COMMITTED                          silence |  | again
 *                                       | operator fenced the target                            v  |
 *                                       +----------- IN_DOUBT                 IN_DOUBT -> RECONNECTING
 *                                                                                 ^           | no answer
 *                                                                                 +-----------+
 * From COMMITTED on, nothing but ABORTED with the token of READY (or an operator's decision) lets the guest
 * run here. */
#ifndef MIGRATION_SOURCE_H
#define MIGRATION_SOURCE_H

#include "kernel/result.h"
#include "migration/policy.h"
#include "migration/wire.h"

enum source_state {
    SOURCE_INVALID = 0,
    SOURCE_CONNECTING,   /* TCP */
    SOURCE_HELLO,        /* HELLO sent */
    SOURCE_CLOCK,        /* probing the clock offset */
    SOURCE_OFFERED,      /* OFFER sent */
    SOURCE_PRECOPY,      /* sending a round while the guest runs */
    SOURCE_DRAINING,     /* policy said stop: waiting until the target has everything; the guest still runs */
    SOURCE_STOPPING,     /* guest paused, sending the last pages, the sections and SEAL */
    SOURCE_SEALED,       /* waiting for READY */
    SOURCE_COMMITTED,    /* COMMIT sent: the guest must not run here */
    SOURCE_IN_DOUBT,     /* no answer to COMMIT; waiting to ask again */
    SOURCE_RECONNECTING, /* asking again on a new connection */
    SOURCE_DONE,         /* the target runs the guest, the VM here is freed */
    SOURCE_FAILED,       /* the guest runs here as if nothing had been */
    SOURCE_CHECKED,      /* dry run: the target would take it */
    SOURCE_NR_STATES
};
const char *source_state_str(enum source_state s);

enum source_event_type {
    SOURCE_EV_INVALID = 0,
    SOURCE_EV_CONNECTED,
    SOURCE_EV_LINK_LOST,   /* reset, refused, closed by the peer */
    SOURCE_EV_PROTO_ERROR, /* the peer broke the protocol */
    SOURCE_EV_HELLO_ACK,
    SOURCE_EV_REJECTED,
    SOURCE_EV_CLOCK_DONE,
    SOURCE_EV_ACCEPTED,
    SOURCE_EV_REFUSED,
    SOURCE_EV_ROUND_SENT, /* decision: of the policy */
    SOURCE_EV_DRAINED,    /* decision: of the policy, asked again */
    SOURCE_EV_FINAL_SENT, /* last pages, sections and SEAL are written */
    SOURCE_EV_READY,      /* match: transaction, counts and digests equal ours */
    SOURCE_EV_STARTED,    /* match: transaction and token */
    SOURCE_EV_ABORTED,    /* match: transaction and (after COMMIT) token */
    SOURCE_EV_TX_UNKNOWN,
    SOURCE_EV_CANCEL,
    SOURCE_EV_LOCAL_ERROR, /* something failed on this host */
    SOURCE_EV_HEARD,       /* any record came */
    SOURCE_EV_TICK,
    SOURCE_EV_KEEP, /* operator: the target is fenced, run it here (IN_DOUBT only) */
    SOURCE_EV_GIVE, /* operator: the target runs it, free it here (IN_DOUBT only) */
    SOURCE_NR_EVENTS
};
const char *source_event_str(enum source_event_type e);

struct source_event {
    enum source_event_type type;
    uint64_t now_ns;
    bool match;
    enum policy_decision decision;
    uint32_t code;    /* enum wire_code, for failures */
    const char *text; /* the reason line, for failures; may be NULL */
};

/* Carried out in this order. */
#define SOURCE_ACT_MARK_IN_DOUBT BIT(0) /* VM_PAUSED -> VM_IN_DOUBT; always before COMMIT leaves */
#define SOURCE_ACT_RESUME BIT(1)        /* the guest runs here again */
#define SOURCE_ACT_CONNECT BIT(2)
#define SOURCE_ACT_SEND_HELLO BIT(3)
#define SOURCE_ACT_START_CLOCK BIT(4)
#define SOURCE_ACT_SEND_OFFER BIT(5)
#define SOURCE_ACT_START_LOG BIT(6)
#define SOURCE_ACT_START_ROUND BIT(7)
#define SOURCE_ACT_START_DRAIN BIT(8)
#define SOURCE_ACT_PAUSE BIT(9)
#define SOURCE_ACT_START_FINAL BIT(10)
#define SOURCE_ACT_SEND_COMMIT BIT(11)
#define SOURCE_ACT_SEND_ABORT BIT(12)
#define SOURCE_ACT_STOP_LOG BIT(13)
#define SOURCE_ACT_FREE_VM BIT(14)
#define SOURCE_ACT_SEND_DONE BIT(15) /* it says that the VM is freed */
#define SOURCE_ACT_CLOSE BIT(16) /* after what was written */
#define SOURCE_ACT_DROP BIT(17)  /* at once */
#define SOURCE_ACT_FINISH BIT(18)

struct source_times { /* nanoseconds */
    uint64_t connect;
    uint64_t hello;    /* also for the clock probes */
    uint64_t offer;    /* the target allocates and zeroes all memory meanwhile */
    uint64_t silent;   /* nothing heard for this long: the peer is dead */
    uint64_t retry;    /* between attempts while in doubt */
    uint64_t deadline; /* the guest is never paused for longer without COMMIT having been sent */
};

struct source_machine {
    enum source_state state;
    struct source_times times;
    bool dry_run;
    bool linked;       /* a connection exists */
    bool paused;       /* PAUSE was ordered and not undone */
    bool logging;      /* START_LOG was ordered and not undone */
    uint64_t since_ns; /* entry into the state */
    uint64_t heard_ns;
    uint64_t paused_ns;
    uint32_t code; /* why it failed or is in doubt */
    struct reason why;
};

/* source_init - state CONNECTING; the caller carries out the returned actions. */
uint32_t source_init(struct source_machine *m, const struct source_times *t, bool dry_run, uint64_t now_ns);
/* source_step - one event; impossible events in a state are ignored or end the migration safely. */
uint32_t source_step(struct source_machine *m, const struct source_event *ev);

bool source_edge_is_legal(enum source_state from, enum source_state to);
bool source_is_final(enum source_state s);
/* source_is_committed - COMMIT may have left: the guest must not run here. */
bool source_is_committed(enum source_state s);

#endif
