/* SPDX-License-Identifier: MIT */
#include "net/stream_state.h"

#include "kernel/time.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "net/addr.h"
#include "net/stream_poll.h"

#define ACK_AT (2u * TCP_MSS)

/* Foreign codes end here. */
static void explain(struct stream *s, err_t err) {
    char peer[NET_ADDR_TEXT_LEN];
    net_addr_format(s->peer, peer);
    bool connecting = s->phase == STREAM_CONNECTING;
    switch (err) {
    case ERR_RST:
        if (connecting)
            reason_set(&s->why, ERR_REFUSED, "connection refused by %s; is the service running there?", peer);
        else
            reason_set(&s->why, ERR_LINK, "connection reset by %s", peer);
        return;
    case ERR_ABRT:
    case LWIP_ERR_TIMEOUT:
        if (connecting)
            reason_set(&s->why, ERR_TIMEOUT,
                       "no answer from %s within %u s; is the machine up and the address right?", peer,
                       STREAM_CONNECT_MS / 1000);
        else
            reason_set(&s->why, ERR_LINK, "no sign of life from %s for %u s", peer,
                       (STREAM_KEEP_IDLE_MS + STREAM_KEEP_COUNT * STREAM_KEEP_STEP_MS) / 1000);
        return;
    case ERR_CLSD:
        reason_set(&s->why, ERR_LINK, "connection closed by %s", peer);
        return;
    case ERR_MEM:
        reason_set(&s->why, ERR_NOMEM, "no memory for the connection to %s", peer);
        return;
    default:
        reason_set(&s->why, ERR_LINK, "connection to %s failed (network error %d)", peer, err);
    }
}

err_t stream_on_connected(void *arg, struct tcp_pcb *pcb, err_t err) {
    struct stream *s = arg;
    (void)pcb;
    (void)err;
    sys_untimeout(stream_on_timeout, s);
    s->phase = STREAM_OPEN;
    s->pending |= BIT(STREAM_CONNECTED);
    stream_tx_open(s);
    return ERR_OK;
}

err_t stream_on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    struct stream *s = arg;
    (void)err;
    if (p == NULL) {
        s->pending |= BIT(STREAM_EOF);
        return ERR_OK;
    }
    stream_rx_append(s, p);
    s->pending |= BIT(STREAM_READABLE);
    if (p->tot_len >= ACK_AT)
        tcp_ack_now(pcb); /* a merged segment stands for many */
    return ERR_OK;
}

err_t stream_on_sent(void *arg, struct tcp_pcb *pcb, u16_t len) {
    struct stream *s = arg;
    (void)pcb;
    stream_tx_acked(s, len);
    s->pending |= BIT(STREAM_WRITABLE);
    return ERR_OK;
}

/* lwIP has freed the pcb already. */
void stream_on_error(void *arg, err_t err) {
    struct stream *s = arg;
    sys_untimeout(stream_on_timeout, s);
    explain(s, err);
    s->pcb = NULL;
    if (s->phase != STREAM_CLOSING)
        s->phase = STREAM_BROKEN;
    s->pending |= BIT(STREAM_FAILED);
}

void stream_on_timeout(void *arg) {
    struct stream *s = arg;
    explain(s, LWIP_ERR_TIMEOUT);
    stream_break(s);
}

/* Tell the owner one event; false: the stream is not what it was, stop. */
static bool tell(struct stream *s, enum stream_event event) {
    uint32_t serial = s->serial;
    if ((s->pending & BIT(event)) == 0)
        return true;
    s->pending &= ~(unsigned)BIT(event);
    s->fn(s->ctx, s, event, event == STREAM_FAILED ? &s->why : NULL);
    return s->serial == serial && s->phase != STREAM_FREE && s->phase != STREAM_CLOSING;
}

static void deliver(struct stream *s) {
    static const enum stream_event order[] = {STREAM_CONNECTED, STREAM_READABLE, STREAM_EOF, STREAM_WRITABLE,
                                              STREAM_FAILED};
    if (s->accept != NULL) {
        stream_accept_fn accept = s->accept;
        uint32_t serial = s->serial;
        s->accept = NULL;
        accept(s->accept_ctx, s, s->peer);
        if (s->serial != serial || s->phase == STREAM_FREE || s->phase == STREAM_CLOSING)
            return;
    }
    if (s->fn == NULL) /* accepted without a handler */
        return;
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        if (!tell(s, order[i]))
            return;
    }
    if (s->phase == STREAM_BROKEN)
        stream_slot_give(s);
}

/* The owner is gone: finish sending, then close. */
static void finish(struct stream *s) {
    if (s->pcb == NULL) {
        stream_slot_give(s);
        return;
    }
    stream_rx_drop(s);
    if (time_now_ns() - s->closed_ns > STREAM_LINGER_NS) {
        stream_reset(s);
        stream_slot_give(s);
        return;
    }
    if (s->acked != s->written)
        return;
    if (tcp_close(s->pcb) != ERR_OK)
        return; /* no memory for the FIN now; again at the next poll */
    stream_detach(s);
    stream_slot_give(s);
}

static bool visit(struct stream *s, bool idle) {
    bool told = false;
    if (s->phase == STREAM_FREE) {
        stream_tx_reap(s);
        return false;
    }
    if (s->phase != STREAM_CLOSING && (s->pending != 0 || s->accept != NULL)) {
        deliver(s);
        told = true;
    }
    if (s->phase == STREAM_CLOSING)
        finish(s);
    if (s->phase == STREAM_FREE || s->pcb == NULL)
        return told;
    stream_rx_give_window(s);
    if (idle && (s->pcb->flags & TF_ACK_DELAY))
        tcp_ack_now(s->pcb);
    stream_tx_push(s);
    return told;
}

bool stream_poll(bool idle) {
    bool told = false;
    for (unsigned i = 0; i < STREAM_MAX; i++)
        told |= visit(stream_slot(i), idle);
    return told;
}
