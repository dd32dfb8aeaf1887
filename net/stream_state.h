/* SPDX-License-Identifier: MIT */
/* stream_state.h - one stream inside net/: which file does what.
 * - stream.c: the interface of net/stream.h, slots, listeners.
 * - stream_tx.c: a ring of octets that TCP reads by reference until they are acknowledged.
 * - stream_rx.c: the queue of received pbufs, and the buffer that makes straddling octets contiguous.
 * - stream_events.c: lwIP's callbacks, which only take note, and stream_poll, which tells the owner.
 * lwIP's callbacks never call the owner, so the owner may close or abort any stream at any time. */
#ifndef NET_STREAM_STATE_H
#define NET_STREAM_STATE_H

#include "net/stream.h"

#include "net/lwip_err.h"

#include "lwip/tcp.h"

#define STREAM_MAX 16u
#define STREAM_RING_ORDER 8u /* 1 MiB */
#define STREAM_RING_BYTES (PAGE_SIZE << STREAM_RING_ORDER)
#define STREAM_PULL_ORDER 4u /* 64 KiB */
#define STREAM_PULL_BYTES (PAGE_SIZE << STREAM_PULL_ORDER)
#define STREAM_CONNECT_MS 3000u
#define STREAM_KEEP_IDLE_MS 5000u
#define STREAM_KEEP_STEP_MS 1000u
#define STREAM_LINGER_NS (60 * NSEC_PER_SEC) /* for a peer that is alive but does not read */
#define STREAM_KEEP_COUNT 5u                 /* a silent peer is given up after 10 s */

enum stream_phase {
    STREAM_FREE = 0,
    STREAM_CONNECTING, /* SYN sent */
    STREAM_OPEN,
    STREAM_CLOSING, /* the owner is gone; what was written still goes out */
    STREAM_BROKEN,  /* lwIP is done with it; the owner has to be told */
};

struct stream {
    enum stream_phase phase;
    uint32_t serial; /* tells two users of one slot apart */
    struct tcp_pcb *pcb;
    struct net_addr peer;
    stream_fn fn;
    void *ctx;
    stream_accept_fn accept; /* not yet handed to the listener's owner */
    void *accept_ctx;
    uint64_t closed_ns; /* since when STREAM_CLOSING */
    unsigned pending;   /* events to tell, BIT(enum stream_event) */
    struct reason why;

    uint8_t *ring; /* stays with a free slot until the card has read the last frame */
    uint64_t ring_mark;
    uint64_t written, pushed, acked; /* positions in the outgoing stream: acked <= pushed <= written */

    struct pbuf *rx_first, *rx_last; /* linked through next, one buffer each; tot_len is not kept up */
    size_t rx_offset;                /* consumed part of rx_first */
    size_t rx_len;                   /* octets here and in pull */
    size_t rx_credit;                /* consumed, not yet told to TCP */
    uint8_t *pull;
    size_t pull_at, pull_len;
};

/* stream_slot_take - a free slot, or NULL. stream_slot_give - back; pcb must be gone or detached. */
struct stream *stream_slot_take(void);
void stream_slot_give(struct stream *s);
struct stream *stream_slot(unsigned index);
/* stream_adopt - let s own pcb: callbacks, keep-alive, no Nagle. stream_detach - the opposite. */
void stream_adopt(struct stream *s, struct tcp_pcb *pcb);
void stream_detach(struct stream *s);
/* stream_break - reset the connection if there is one, and have the owner told `why` (already set). */
void stream_break(struct stream *s);
void stream_reset(struct stream *s); /* the connection only */

/* stream_tx_open - the connection stands: choose the segment size. stream_tx_push - hand octets to TCP as far
 * as it takes them, and let it send. stream_tx_reap - free the ring of a free slot if the card is done with
 * it. */
void stream_tx_open(struct stream *s);
void stream_tx_push(struct stream *s);
void stream_tx_acked(struct stream *s, size_t len);
void stream_tx_reap(struct stream *s);

void stream_rx_append(struct stream *s, struct pbuf *p);
void stream_rx_give_window(struct stream *s);
void stream_rx_drop(struct stream *s); /* everything unread */
void stream_rx_free(struct stream *s);

err_t stream_on_connected(void *arg, struct tcp_pcb *pcb, err_t err);
err_t stream_on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
err_t stream_on_sent(void *arg, struct tcp_pcb *pcb, u16_t len);
void stream_on_error(void *arg, err_t err);
void stream_on_timeout(void *arg); /* of connecting */

#endif
