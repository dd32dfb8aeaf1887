/* SPDX-License-Identifier: MIT */
#include "migration/source.h"

#include <string.h>

static const char *const state_names[SOURCE_NR_STATES] = {
    [SOURCE_INVALID] = "invalid",   [SOURCE_CONNECTING] = "connecting",
    [SOURCE_HELLO] = "hello",       [SOURCE_CLOCK] = "clock",
    [SOURCE_OFFERED] = "offered",   [SOURCE_PRECOPY] = "pre-copy",
    [SOURCE_DRAINING] = "draining", [SOURCE_STOPPING] = "stopping",
    [SOURCE_SEALED] = "sealed",     [SOURCE_COMMITTED] = "committed",
    [SOURCE_IN_DOUBT] = "in doubt", [SOURCE_RECONNECTING] = "reconnecting",
    [SOURCE_DONE] = "done",         [SOURCE_FAILED] = "failed",
    [SOURCE_CHECKED] = "checked",
};

static const char *const event_names[SOURCE_NR_EVENTS] = {
    [SOURCE_EV_INVALID] = "invalid",
    [SOURCE_EV_CONNECTED] = "connected",
    [SOURCE_EV_LINK_LOST] = "link-lost",
    [SOURCE_EV_PROTO_ERROR] = "proto-error",
    [SOURCE_EV_HELLO_ACK] = "hello-ack",
    [SOURCE_EV_REJECTED] = "rejected",
    [SOURCE_EV_CLOCK_DONE] = "clock-done",
    [SOURCE_EV_ACCEPTED] = "accepted",
    [SOURCE_EV_REFUSED] = "refused",
    [SOURCE_EV_ROUND_SENT] = "round-sent",
    [SOURCE_EV_DRAINED] = "drained",
    [SOURCE_EV_FINAL_SENT] = "final-sent",
    [SOURCE_EV_READY] = "ready",
    [SOURCE_EV_STARTED] = "started",
    [SOURCE_EV_ABORTED] = "aborted",
    [SOURCE_EV_TX_UNKNOWN] = "tx-unknown",
    [SOURCE_EV_CANCEL] = "cancel",
    [SOURCE_EV_LOCAL_ERROR] = "local-error",
    [SOURCE_EV_HEARD] = "heard",
    [SOURCE_EV_TICK] = "tick",
    [SOURCE_EV_KEEP] = "keep",
    [SOURCE_EV_GIVE] = "give",
};

#define FAILS BIT(SOURCE_FAILED)
static const uint32_t edges[SOURCE_NR_STATES] = {
    [SOURCE_INVALID] = BIT(SOURCE_CONNECTING),
    [SOURCE_CONNECTING] = FAILS | BIT(SOURCE_HELLO),
    [SOURCE_HELLO] = FAILS | BIT(SOURCE_CLOCK),
    [SOURCE_CLOCK] = FAILS | BIT(SOURCE_OFFERED),
    [SOURCE_OFFERED] = FAILS | BIT(SOURCE_PRECOPY) | BIT(SOURCE_CHECKED),
    [SOURCE_PRECOPY] = FAILS | BIT(SOURCE_DRAINING),
    [SOURCE_DRAINING] = FAILS | BIT(SOURCE_PRECOPY) | BIT(SOURCE_STOPPING),
    [SOURCE_STOPPING] = FAILS | BIT(SOURCE_SEALED),
    [SOURCE_SEALED] = FAILS | BIT(SOURCE_COMMITTED),
    [SOURCE_COMMITTED] = FAILS | BIT(SOURCE_DONE) | BIT(SOURCE_IN_DOUBT),
    [SOURCE_IN_DOUBT] = FAILS | BIT(SOURCE_DONE) | BIT(SOURCE_RECONNECTING),
    [SOURCE_RECONNECTING] = BIT(SOURCE_COMMITTED) | BIT(SOURCE_IN_DOUBT),
};

const char *source_state_str(enum source_state s) {
    return (unsigned)s < SOURCE_NR_STATES ? state_names[s] : "unknown";
}

const char *source_event_str(enum source_event_type e) {
    return (unsigned)e < SOURCE_NR_EVENTS ? event_names[e] : "unknown";
}

bool source_edge_is_legal(enum source_state from, enum source_state to) {
    return (unsigned)from < SOURCE_NR_STATES && (unsigned)to < SOURCE_NR_STATES &&
           (edges[from] & BIT(to)) != 0;
}

bool source_is_final(enum source_state s) {
    return s == SOURCE_DONE || s == SOURCE_FAILED || s == SOURCE_CHECKED;
}

bool source_is_committed(enum source_state s) {
    return s == SOURCE_COMMITTED || s == SOURCE_IN_DOUBT || s == SOURCE_RECONNECTING || s == SOURCE_DONE;
}

/* The only writer of m->state. An illegal edge is a bug here: stay, which never starts a second guest. */
static bool enter(struct source_machine *m, enum source_state to, uint64_t now_ns) {
    if (!source_edge_is_legal(m->state, to))
        return false;
    m->state = to;
    m->since_ns = now_ns;
    return true;
}

static void note(struct source_machine *m, uint32_t code, const char *line) {
    m->code = code;
    (void)reason_set(&m->why, OK, "%s", line != NULL ? line : wire_code_str(code));
}

/* Before COMMIT: the guest goes on here. tell: the peer is still listening. */
static uint32_t fail_back(struct source_machine *m, const struct source_event *ev, uint32_t code,
                          const char *line, bool tell) {
    if (!enter(m, SOURCE_FAILED, ev->now_ns))
        return 0;
    uint32_t actions = SOURCE_ACT_FINISH;
    note(m, code, line);
    if (m->paused)
        actions |= SOURCE_ACT_RESUME;
    if (m->logging)
        actions |= SOURCE_ACT_STOP_LOG;
    if (m->linked)
        actions |= tell ? SOURCE_ACT_SEND_ABORT | SOURCE_ACT_CLOSE : SOURCE_ACT_DROP;
    m->paused = m->logging = m->linked = false;
    return actions;
}

static uint32_t timeout_of(const struct source_machine *m, uint64_t now_ns, const char **line) {
    uint64_t in_state = now_ns - m->since_ns;
    switch (m->state) {
    case SOURCE_CONNECTING:
        *line = "no connection in time; is the host up and its address right?";
        return in_state >= m->times.connect ? WIRE_CODE_LINK : 0;
    case SOURCE_HELLO:
    case SOURCE_CLOCK:
        *line = "the host accepted the connection but did not answer in time; does it run Godwit?";
        return in_state >= m->times.hello ? WIRE_CODE_SILENT : 0;
    case SOURCE_OFFERED:
        *line = "the target did not answer the offer in time";
        return in_state >= m->times.offer ? WIRE_CODE_SILENT : 0;
    case SOURCE_STOPPING:
    case SOURCE_SEALED:
        *line = "the pause would have exceeded its deadline; the guest was resumed here";
        if (now_ns - m->paused_ns >= m->times.deadline)
            return WIRE_CODE_DEADLINE;
        /* fall through */
    default:
        *line = "the target went silent";
        return now_ns - m->heard_ns >= m->times.silent ? WIRE_CODE_SILENT : 0;
    }
}

/* Events that end any state before COMMIT. done: whether the event was one. */
static uint32_t step_failures(struct source_machine *m, const struct source_event *ev, bool *done) {
    const char *line = NULL;
    uint32_t code;
    *done = true;
    switch (ev->type) {
    case SOURCE_EV_LINK_LOST:
        m->linked = false;
        return fail_back(m, ev, WIRE_CODE_LINK, ev->text != NULL ? ev->text : "the connection was lost",
                         false);
    case SOURCE_EV_PROTO_ERROR:
    case SOURCE_EV_LOCAL_ERROR:
    case SOURCE_EV_CANCEL: return fail_back(m, ev, ev->code, ev->text, m->state > SOURCE_HELLO);
    case SOURCE_EV_REJECTED:
    case SOURCE_EV_REFUSED:
    case SOURCE_EV_ABORTED:
    case SOURCE_EV_TX_UNKNOWN: return fail_back(m, ev, ev->code, ev->text, false);
    case SOURCE_EV_TICK:
        code = timeout_of(m, ev->now_ns, &line);
        return code != 0 ? fail_back(m, ev, code, line, m->state > SOURCE_HELLO) : 0;
    default: *done = false; return 0;
    }
}

static uint32_t unexpected(struct source_machine *m, const struct source_event *ev) {
    struct reason why;
    (void)reason_set(&why, OK, "'%s' is not possible while %s", source_event_str(ev->type),
                     source_state_str(m->state));
    return fail_back(m, ev, WIRE_CODE_PROTOCOL, why.text, m->state > SOURCE_HELLO);
}

static uint32_t step_prepare(struct source_machine *m, const struct source_event *ev) {
    if (m->state == SOURCE_CONNECTING && ev->type == SOURCE_EV_CONNECTED) {
        m->linked = true;
        m->heard_ns = ev->now_ns;
        enter(m, SOURCE_HELLO, ev->now_ns);
        return SOURCE_ACT_SEND_HELLO;
    }
    if (m->state == SOURCE_HELLO && ev->type == SOURCE_EV_HELLO_ACK) {
        enter(m, SOURCE_CLOCK, ev->now_ns);
        return SOURCE_ACT_START_CLOCK;
    }
    if (m->state == SOURCE_CLOCK && ev->type == SOURCE_EV_CLOCK_DONE) {
        enter(m, SOURCE_OFFERED, ev->now_ns);
        return SOURCE_ACT_SEND_OFFER;
    }
    if (m->state == SOURCE_OFFERED && ev->type == SOURCE_EV_ACCEPTED && m->dry_run) {
        enter(m, SOURCE_CHECKED, ev->now_ns);
        m->linked = false;
        return SOURCE_ACT_CLOSE | SOURCE_ACT_FINISH;
    }
    if (m->state == SOURCE_OFFERED && ev->type == SOURCE_EV_ACCEPTED) {
        enter(m, SOURCE_PRECOPY, ev->now_ns);
        m->logging = true;
        return SOURCE_ACT_START_LOG | SOURCE_ACT_START_ROUND;
    }
    return unexpected(m, ev);
}

static uint32_t step_copy(struct source_machine *m, const struct source_event *ev) {
    bool ours = (m->state == SOURCE_PRECOPY && ev->type == SOURCE_EV_ROUND_SENT) ||
                (m->state == SOURCE_DRAINING && ev->type == SOURCE_EV_DRAINED);
    if (!ours)
        return unexpected(m, ev);
    if (ev->decision == POLICY_GIVE_UP)
        return fail_back(m, ev, WIRE_CODE_NOT_CONVERGING, ev->text, true);
    if (ev->decision == POLICY_CONTINUE) {
        if (m->state == SOURCE_DRAINING)
            enter(m, SOURCE_PRECOPY, ev->now_ns);
        return SOURCE_ACT_START_ROUND;
    }
    if (m->state == SOURCE_PRECOPY) {
        enter(m, SOURCE_DRAINING, ev->now_ns);
        return SOURCE_ACT_START_DRAIN;
    }
    enter(m, SOURCE_STOPPING, ev->now_ns);
    m->paused = true;
    m->paused_ns = ev->now_ns;
    return SOURCE_ACT_PAUSE | SOURCE_ACT_START_FINAL;
}

static uint32_t step_stopped(struct source_machine *m, const struct source_event *ev) {
    if (m->state == SOURCE_STOPPING && ev->type == SOURCE_EV_FINAL_SENT) {
        enter(m, SOURCE_SEALED, ev->now_ns);
        return 0;
    }
    if (m->state != SOURCE_SEALED || ev->type != SOURCE_EV_READY)
        return unexpected(m, ev);
    if (!ev->match)
        return fail_back(m, ev, WIRE_CODE_DIGEST, ev->text, true);
    if (ev->now_ns - m->paused_ns >= m->times.deadline)
        return fail_back(m, ev, WIRE_CODE_DEADLINE,
                         "READY came after the deadline of the pause; the guest was "
                         "resumed here",
                         true);
    enter(m, SOURCE_COMMITTED, ev->now_ns);
    return SOURCE_ACT_MARK_IN_DOUBT | SOURCE_ACT_SEND_COMMIT;
}

/* COMMIT left (or could have): everything that is not a proof leads to doubt, and doubt asks again. */
static uint32_t doubt(struct source_machine *m, const struct source_event *ev, uint32_t code,
                      const char *line) {
    if (!enter(m, SOURCE_IN_DOUBT, ev->now_ns))
        return 0;
    note(m, code, line);
    uint32_t actions = m->linked ? SOURCE_ACT_DROP : 0;
    m->linked = false;
    return actions;
}

static uint32_t finish_here(struct source_machine *m, const struct source_event *ev, uint32_t actions) {
    enter(m, SOURCE_FAILED, ev->now_ns);
    note(m, ev->code, ev->text);
    actions |= SOURCE_ACT_RESUME | SOURCE_ACT_FINISH | (m->logging ? SOURCE_ACT_STOP_LOG : 0);
    m->paused = m->logging = m->linked = false;
    return actions;
}

static uint32_t finish_there(struct source_machine *m, const struct source_event *ev, uint32_t actions) {
    enter(m, SOURCE_DONE, ev->now_ns);
    m->linked = m->logging = false;
    m->code = 0;
    m->why.text[0] = '\0';
    return actions | SOURCE_ACT_FREE_VM | SOURCE_ACT_FINISH;
}

static uint32_t step_committed(struct source_machine *m, const struct source_event *ev) {
    switch (ev->type) {
    case SOURCE_EV_STARTED:
        return ev->match ? finish_there(m, ev, SOURCE_ACT_SEND_DONE | SOURCE_ACT_CLOSE)
                         : doubt(m, ev, WIRE_CODE_PROTOCOL, "STARTED came with a wrong token");
    case SOURCE_EV_ABORTED:
        return ev->match ? finish_here(m, ev, SOURCE_ACT_CLOSE)
                         : doubt(m, ev, WIRE_CODE_PROTOCOL, "ABORTED came with a wrong token");
    case SOURCE_EV_TX_UNKNOWN:
        return doubt(m, ev, WIRE_CODE_REPLAY,
                     ev->text != NULL ? ev->text : "the target does not know this migration any more");
    case SOURCE_EV_LINK_LOST:
        m->linked = false;
        return doubt(m, ev, WIRE_CODE_LINK, "the connection was lost after COMMIT");
    case SOURCE_EV_TICK:
        if (ev->now_ns - m->heard_ns < m->times.silent)
            return 0;
        return doubt(m, ev, WIRE_CODE_SILENT, "the target went silent after COMMIT");
    case SOURCE_EV_CANCEL: /* too late */
    case SOURCE_EV_KEEP:
    case SOURCE_EV_GIVE: return 0;
    default:
        return doubt(m, ev, WIRE_CODE_PROTOCOL,
                     ev->text != NULL ? ev->text : "the target broke the protocol");
    }
}

static uint32_t step_in_doubt(struct source_machine *m, const struct source_event *ev) {
    if (ev->type == SOURCE_EV_KEEP)
        return finish_here(m, ev, 0);
    if (ev->type == SOURCE_EV_GIVE)
        return finish_there(m, ev, 0);
    if (ev->type != SOURCE_EV_TICK || ev->now_ns - m->since_ns < m->times.retry)
        return 0;
    enter(m, SOURCE_RECONNECTING, ev->now_ns);
    return SOURCE_ACT_CONNECT;
}

static uint32_t step_reconnecting(struct source_machine *m, const struct source_event *ev) {
    switch (ev->type) {
    case SOURCE_EV_CONNECTED:
        m->linked = true;
        m->heard_ns = ev->now_ns;
        return SOURCE_ACT_SEND_HELLO;
    case SOURCE_EV_HELLO_ACK: enter(m, SOURCE_COMMITTED, ev->now_ns); return SOURCE_ACT_SEND_COMMIT;
    case SOURCE_EV_LINK_LOST:
        m->linked = false;
        return doubt(m, ev, WIRE_CODE_LINK, "the target cannot be reached");
    case SOURCE_EV_TICK:
        if (ev->now_ns - m->since_ns < m->times.connect + m->times.hello)
            return 0;
        m->linked = true; /* the attempt itself is to be dropped */
        return doubt(m, ev, WIRE_CODE_SILENT, "the target does not answer");
    case SOURCE_EV_CANCEL:
    case SOURCE_EV_KEEP:
    case SOURCE_EV_GIVE: return 0;
    default:
        return doubt(m, ev, WIRE_CODE_PROTOCOL,
                     ev->text != NULL ? ev->text : "the target broke the protocol");
    }
}

uint32_t source_init(struct source_machine *m, const struct source_times *t, bool dry_run, uint64_t now_ns) {
    *m = (struct source_machine){.times = *t, .dry_run = dry_run, .heard_ns = now_ns};
    enter(m, SOURCE_CONNECTING, now_ns);
    return SOURCE_ACT_CONNECT;
}

uint32_t source_step(struct source_machine *m, const struct source_event *ev) {
    bool done = false;
    if (ev->type == SOURCE_EV_HEARD) {
        m->heard_ns = ev->now_ns;
        return 0;
    }
    switch (m->state) {
    case SOURCE_COMMITTED: return step_committed(m, ev);
    case SOURCE_IN_DOUBT: return step_in_doubt(m, ev);
    case SOURCE_RECONNECTING: return step_reconnecting(m, ev);
    case SOURCE_DONE:
    case SOURCE_FAILED:
    case SOURCE_CHECKED:
    case SOURCE_INVALID:
    case SOURCE_NR_STATES: return 0;
    default: break;
    }
    if (ev->type == SOURCE_EV_KEEP || ev->type == SOURCE_EV_GIVE) /* an operator's word, only for IN_DOUBT */
        return 0;
    uint32_t actions = step_failures(m, ev, &done);
    if (done)
        return actions;
    if (m->state <= SOURCE_OFFERED)
        return step_prepare(m, ev);
    return m->state <= SOURCE_DRAINING ? step_copy(m, ev) : step_stopped(m, ev);
}
