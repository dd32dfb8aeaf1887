/* SPDX-License-Identifier: MIT */
#include "migration/target.h"

static const char *const state_names[TARGET_NR_STATES] = {
    [TARGET_INVALID] = "invalid",
    [TARGET_GREETING] = "greeting",
    [TARGET_WAIT_OFFER] = "waiting for offer",
    [TARGET_RECEIVING] = "receiving",
    [TARGET_READY] = "ready",
    [TARGET_ACTIVATING] = "activating",
    [TARGET_STARTED] = "started",
    [TARGET_DONE] = "done",
    [TARGET_ABORTED] = "aborted",
    [TARGET_CLOSED] = "closed",
};

static const char *const event_names[TARGET_NR_EVENTS] = {
    [TARGET_EV_INVALID] = "invalid",
    [TARGET_EV_HELLO] = "hello",
    [TARGET_EV_OFFER] = "offer",
    [TARGET_EV_OFFER_DRY] = "offer-dry",
    [TARGET_EV_SEAL] = "seal",
    [TARGET_EV_COMMIT] = "commit",
    [TARGET_EV_FIRST_ENTRY] = "first-entry",
    [TARGET_EV_LOCAL_ERROR] = "local-error",
    [TARGET_EV_DONE] = "done",
    [TARGET_EV_PEER_ABORT] = "peer-abort",
    [TARGET_EV_CANCEL] = "cancel",
    [TARGET_EV_LINK_LOST] = "link-lost",
    [TARGET_EV_PROTO_ERROR] = "proto-error",
    [TARGET_EV_ATTACHED] = "attached",
    [TARGET_EV_ANSWERED] = "answered",
    [TARGET_EV_HEARD] = "heard",
    [TARGET_EV_TICK] = "tick",
};

static const uint32_t edges[TARGET_NR_STATES] = {
    [TARGET_INVALID] = BIT(TARGET_GREETING),
    [TARGET_GREETING] = BIT(TARGET_WAIT_OFFER) | BIT(TARGET_CLOSED),
    [TARGET_WAIT_OFFER] = BIT(TARGET_RECEIVING) | BIT(TARGET_CLOSED),
    [TARGET_RECEIVING] = BIT(TARGET_READY) | BIT(TARGET_ABORTED),
    [TARGET_READY] = BIT(TARGET_ACTIVATING) | BIT(TARGET_ABORTED),
    [TARGET_ACTIVATING] = BIT(TARGET_STARTED) | BIT(TARGET_ABORTED),
    [TARGET_STARTED] = BIT(TARGET_DONE),
};

const char *target_state_str(enum target_state s) {
    return (unsigned)s < TARGET_NR_STATES ? state_names[s] : "unknown";
}

const char *target_event_str(enum target_event_type e) {
    return (unsigned)e < TARGET_NR_EVENTS ? event_names[e] : "unknown";
}

bool target_edge_is_legal(enum target_state from, enum target_state to) {
    return (unsigned)from < TARGET_NR_STATES && (unsigned)to < TARGET_NR_STATES &&
           (edges[from] & BIT(to)) != 0;
}

bool target_is_final(enum target_state s) {
    return s == TARGET_DONE || s == TARGET_ABORTED || s == TARGET_CLOSED;
}

bool target_owns_guest(enum target_state s) {
    return s == TARGET_ACTIVATING || s == TARGET_STARTED || s == TARGET_DONE;
}

/* The only writer of m->state. An illegal edge is a bug here: stay. */
static bool enter(struct target_machine *m, enum target_state to, uint64_t now_ns) {
    if (!target_edge_is_legal(m->state, to))
        return false;
    m->state = to;
    m->since_ns = now_ns;
    return true;
}

static void note(struct target_machine *m, uint32_t code, const char *line) {
    m->code = code;
    (void)reason_set(&m->why, OK, "%s", line != NULL ? line : wire_code_str(code));
}

/* Before a transaction exists: answer (if anything) and hang up. */
static uint32_t hang_up(struct target_machine *m, const struct target_event *ev, uint32_t code,
                        const char *line, uint32_t answer) {
    if (!enter(m, TARGET_CLOSED, ev->now_ns))
        return 0;
    note(m, code, line);
    uint32_t actions = TARGET_ACT_FINISH;
    if (m->linked)
        actions |= answer != 0 ? answer | TARGET_ACT_CLOSE : TARGET_ACT_DROP;
    m->linked = false;
    return actions;
}

/* Before COMMIT, or before the first entry: destroy the copy, remember, then say so. */
static uint32_t roll_back(struct target_machine *m, const struct target_event *ev, uint32_t code,
                          const char *line) {
    if (!enter(m, TARGET_ABORTED, ev->now_ns))
        return 0;
    note(m, code, line);
    uint32_t actions = TARGET_ACT_DESTROY | TARGET_ACT_REMEMBER_ABORTED | TARGET_ACT_FINISH;
    if (m->linked)
        actions |= TARGET_ACT_SEND_ABORTED | TARGET_ACT_CLOSE;
    m->linked = false;
    return actions;
}

static uint32_t unlink_peer(struct target_machine *m, bool drop) {
    uint32_t actions = drop && m->linked ? TARGET_ACT_DROP : 0;
    m->linked = false;
    return actions;
}

static uint32_t step_greeting(struct target_machine *m, const struct target_event *ev) {
    switch (ev->type) {
    case TARGET_EV_HELLO:
        if (m->state != TARGET_GREETING)
            break;
        if (!ev->match)
            return hang_up(m, ev, ev->code, ev->text, TARGET_ACT_SEND_REJECT);
        enter(m, TARGET_WAIT_OFFER, ev->now_ns);
        return TARGET_ACT_SEND_HELLO_ACK;
    case TARGET_EV_OFFER:
    case TARGET_EV_OFFER_DRY:
        if (m->state != TARGET_WAIT_OFFER)
            break;
        if (!ev->match)
            return hang_up(m, ev, ev->code, ev->text, TARGET_ACT_SEND_REFUSE);
        if (ev->type == TARGET_EV_OFFER_DRY)
            return hang_up(m, ev, 0, "dry run: would be accepted", TARGET_ACT_SEND_ACCEPT);
        enter(m, TARGET_RECEIVING, ev->now_ns);
        return TARGET_ACT_SEND_ACCEPT;
    case TARGET_EV_ANSWERED: return hang_up(m, ev, ev->code, ev->text, TARGET_ACT_CLOSE);
    case TARGET_EV_LINK_LOST: m->linked = false; return hang_up(m, ev, WIRE_CODE_LINK, ev->text, 0);
    case TARGET_EV_CANCEL: return hang_up(m, ev, WIRE_CODE_CANCELLED, ev->text, TARGET_ACT_SEND_REJECT);
    case TARGET_EV_PROTO_ERROR:
    case TARGET_EV_LOCAL_ERROR: return hang_up(m, ev, ev->code, ev->text, TARGET_ACT_SEND_REJECT);
    case TARGET_EV_TICK:
        if (ev->now_ns - m->begun_ns < m->times.greeting)
            return 0;
        return hang_up(m, ev, WIRE_CODE_SILENT, "the peer connected but did not offer anything in time", 0);
    default: break;
    }
    return hang_up(m, ev, WIRE_CODE_PROTOCOL, "a record came out of order", TARGET_ACT_SEND_REJECT);
}

static uint32_t step_receiving(struct target_machine *m, const struct target_event *ev) {
    switch (ev->type) {
    case TARGET_EV_SEAL:
        if (!ev->match)
            return roll_back(m, ev, ev->code, ev->text);
        enter(m, TARGET_READY, ev->now_ns);
        return TARGET_ACT_SEND_READY;
    case TARGET_EV_LINK_LOST:
        m->linked = false;
        return roll_back(m, ev, WIRE_CODE_LINK, ev->text != NULL ? ev->text : "the connection was lost");
    case TARGET_EV_CANCEL:
    case TARGET_EV_PEER_ABORT:
    case TARGET_EV_PROTO_ERROR:
    case TARGET_EV_LOCAL_ERROR: return roll_back(m, ev, ev->code, ev->text);
    case TARGET_EV_TICK:
        if (ev->now_ns - m->heard_ns < m->times.silent)
            return 0;
        return roll_back(m, ev, WIRE_CODE_SILENT, "the source went silent");
    default: return roll_back(m, ev, WIRE_CODE_PROTOCOL, "a record came out of order");
    }
}

static uint32_t step_ready(struct target_machine *m, const struct target_event *ev) {
    switch (ev->type) {
    case TARGET_EV_COMMIT:
        if (!ev->match)
            return unlink_peer(m, true);
        enter(m, TARGET_ACTIVATING, ev->now_ns);
        return TARGET_ACT_ACTIVATE;
    case TARGET_EV_PEER_ABORT:
    case TARGET_EV_CANCEL:
    case TARGET_EV_LOCAL_ERROR: return roll_back(m, ev, ev->code, ev->text);
    case TARGET_EV_TICK:
        if (ev->now_ns - m->since_ns < m->times.lease)
            return 0;
        return roll_back(m, ev, WIRE_CODE_LEASE, "no COMMIT came within the lease; the copy was destroyed");
    case TARGET_EV_LINK_LOST: return unlink_peer(m, false);
    case TARGET_EV_ATTACHED: m->linked = true; return 0;
    default: /* noise on this connection proves nothing about COMMIT: keep the copy, drop the connection */
        return unlink_peer(m, true);
    }
}

static uint32_t step_activating(struct target_machine *m, const struct target_event *ev) {
    switch (ev->type) {
    case TARGET_EV_FIRST_ENTRY:
        enter(m, TARGET_STARTED, ev->now_ns);
        return TARGET_ACT_REMEMBER_STARTED | (m->linked ? TARGET_ACT_SEND_STARTED : 0);
    case TARGET_EV_LOCAL_ERROR: return roll_back(m, ev, ev->code, ev->text);
    case TARGET_EV_ATTACHED: m->linked = true; return 0;
    case TARGET_EV_LINK_LOST: return unlink_peer(m, false);
    case TARGET_EV_COMMIT: /* again: STARTED follows */
    case TARGET_EV_CANCEL: /* too late */
    case TARGET_EV_TICK: return 0;
    default: return unlink_peer(m, true);
    }
}

/* What the source may still ask, the table of finished transactions answers. */
static uint32_t step_started(struct target_machine *m, const struct target_event *ev) {
    bool gone = ev->type == TARGET_EV_LINK_LOST;
    bool silent = ev->type == TARGET_EV_TICK && (!m->linked || ev->now_ns - m->heard_ns >= m->times.silent);
    if (ev->type == TARGET_EV_CANCEL || (ev->type == TARGET_EV_TICK && !silent))
        return 0;
    if (ev->type == TARGET_EV_COMMIT && ev->match)
        return m->linked ? TARGET_ACT_SEND_STARTED : 0;
    if (ev->type == TARGET_EV_ATTACHED) {
        m->linked = true;
        return 0;
    }
    enter(m, TARGET_DONE, ev->now_ns);
    uint32_t actions = TARGET_ACT_FINISH;
    if (m->linked && !gone)
        actions |= ev->type == TARGET_EV_DONE ? TARGET_ACT_CLOSE : TARGET_ACT_DROP;
    m->linked = false;
    return actions;
}

void target_init(struct target_machine *m, const struct target_times *t, uint64_t now_ns) {
    *m = (struct target_machine){.times = *t, .linked = true, .heard_ns = now_ns, .begun_ns = now_ns};
    enter(m, TARGET_GREETING, now_ns);
}

uint32_t target_step(struct target_machine *m, const struct target_event *ev) {
    if (ev->type == TARGET_EV_HEARD) {
        m->heard_ns = ev->now_ns;
        return 0;
    }
    switch (m->state) {
    case TARGET_GREETING:
    case TARGET_WAIT_OFFER: return step_greeting(m, ev);
    case TARGET_RECEIVING: return step_receiving(m, ev);
    case TARGET_READY: return step_ready(m, ev);
    case TARGET_ACTIVATING: return step_activating(m, ev);
    case TARGET_STARTED: return step_started(m, ev);
    default: return 0;
    }
}
