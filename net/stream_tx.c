/* SPDX-License-Identifier: MIT */
#include "net/stream_state.h"

#include "kernel/frames.h"
#include "net/copy.h"
#include "net/wire.h"

#define RING_MASK (STREAM_RING_BYTES - 1)
#define BACKLOG_MIN                                                                                          \
    (32u * 1024u)             /* octets given to TCP beyond what it can send now; more makes its lists long */
#define PUSH_AT (64u * 1024u) /* octets waiting in the ring before a write pushes by itself */
_Static_assert(TCP_SND_BUF >= STREAM_RING_BYTES, "TCP never refuses what the ring holds");

size_t stream_space(const struct stream *s) {
    return STREAM_RING_BYTES - (size_t)(s->written - s->acked);
}

size_t stream_unacked(const struct stream *s) {
    return (size_t)(s->written - s->acked);
}

result_t stream_write(struct stream *s, const void *data, size_t len) {
    if (s->phase != STREAM_CONNECTING && s->phase != STREAM_OPEN)
        return fail(ERR_LINK);
    if (len > stream_space(s))
        return fail(ERR_FULL);
    if (s->ring == NULL) {
        hpa_t pa = frames_alloc(STREAM_RING_ORDER);
        if (pa == 0)
            return fail(ERR_NOMEM);
        s->ring = phys_to_virt(pa);
    }
    size_t at = s->written & RING_MASK, run = MIN(len, STREAM_RING_BYTES - at);
    net_copy(s->ring + at, data, run);
    net_copy(s->ring, (const uint8_t *)data + run, len - run);
    s->written += len;
    if (s->written - s->pushed >= PUSH_AT)
        stream_tx_push(s);
    return OK;
}

void stream_flush(struct stream *s) {
    stream_tx_push(s);
    wire_flush();
}

void stream_tx_open(struct stream *s) {
    struct tcp_pcb *pcb = s->pcb;
    pcb->mss = wire_segment(pcb->mss);
    /* lwIP sends whole segments only, so a window below one would never open. */
    pcb->cwnd = MAX(pcb->cwnd, 2u * pcb->mss);
}

void stream_tx_push(struct stream *s) {
    struct tcp_pcb *pcb = s->pcb;
    if (pcb == NULL || s->phase == STREAM_CONNECTING)
        return;
    size_t limit = MAX(4u * pcb->mss, BACKLOG_MIN);
    while (s->pushed != s->written) {
        if (pcb->snd_lbb - pcb->snd_nxt >= limit) {
            tcp_output(pcb);
            if (pcb->snd_lbb - pcb->snd_nxt >= limit)
                return;
        }
        size_t waiting = (size_t)(s->written - s->pushed), at = s->pushed & RING_MASK;
        size_t run =
            MIN(MIN(waiting, STREAM_RING_BYTES - at), MIN((size_t)pcb->snd_buf, MIN(limit, UINT16_MAX)));
        if (run == 0 ||
            tcp_write(pcb, s->ring + at, (u16_t)run, run < waiting ? TCP_WRITE_FLAG_MORE : 0) != ERR_OK)
            break;
        s->pushed += run;
    }
    tcp_output(pcb);
}

void stream_tx_acked(struct stream *s, size_t len) {
    s->acked = MIN(s->acked + len, s->pushed);
}

void stream_tx_reap(struct stream *s) {
    if (s->ring == NULL || !wire_passed(s->ring_mark))
        return;
    frames_free(virt_to_phys(s->ring), STREAM_RING_ORDER);
    s->ring = NULL;
}
