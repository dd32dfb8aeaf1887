/* SPDX-License-Identifier: MIT */
#include "net/stream_state.h"

#include <string.h>

#include "kernel/frames.h"
#include "net/copy.h"

#define CREDIT_MIN (64u * 1024u) /* octets consumed before TCP is told ahead of the next poll */

void stream_rx_append(struct stream *s, struct pbuf *p) {
    s->rx_len += p->tot_len;
    if (s->rx_last == NULL)
        s->rx_first = p;
    else
        s->rx_last->next = p;
    while (p->next != NULL)
        p = p->next;
    s->rx_last = p;
}

static void free_first(struct stream *s) {
    struct pbuf *p = s->rx_first;
    s->rx_first = p->next;
    if (s->rx_first == NULL)
        s->rx_last = NULL;
    s->rx_offset = 0;
    p->next = NULL;
    p->tot_len = p->len;
    pbuf_free(p);
}

/* The first unread run in the queue; empty buffers go on the way. */
static const uint8_t *first_run(struct stream *s, size_t *len) {
    while (s->rx_first != NULL && s->rx_offset == s->rx_first->len)
        free_first(s);
    if (s->rx_first == NULL) {
        *len = 0;
        return NULL;
    }
    *len = s->rx_first->len - s->rx_offset;
    return (const uint8_t *)s->rx_first->payload + s->rx_offset;
}

size_t stream_available(const struct stream *s) {
    return s->rx_len;
}

const uint8_t *stream_peek(struct stream *s, size_t *len) {
    if (s->pull_len != 0) {
        *len = s->pull_len;
        return s->pull + s->pull_at;
    }
    return first_run(s, len);
}

static bool pull_prepare(struct stream *s, size_t want) {
    if (s->pull == NULL) {
        hpa_t pa = frames_alloc(STREAM_PULL_ORDER);
        if (pa == 0)
            return false;
        s->pull = phys_to_virt(pa);
    }
    if (s->pull_len == 0)
        s->pull_at = 0;
    if (s->pull_at + want > STREAM_PULL_BYTES) {
        memmove(s->pull, s->pull + s->pull_at, s->pull_len);
        s->pull_at = 0;
    }
    return true;
}

const uint8_t *stream_pullup(struct stream *s, size_t want) {
    size_t run = 0;
    if (want > s->rx_len || want > STREAM_PULL_BYTES)
        return NULL;
    const uint8_t *at = stream_peek(s, &run);
    if (run >= want)
        return at;
    if (!pull_prepare(s, want))
        return NULL;
    while (s->pull_len < want) {
        at = first_run(s, &run);
        run = MIN(run, want - s->pull_len);
        net_copy(s->pull + s->pull_at + s->pull_len, at, run);
        s->pull_len += run;
        s->rx_offset += run;
    }
    return s->pull + s->pull_at;
}

void stream_rx_give_window(struct stream *s) {
    while (s->rx_credit != 0 && s->pcb != NULL) {
        u16_t part = (u16_t)MIN(s->rx_credit, UINT16_MAX);
        s->rx_credit -= part;
        tcp_recved(s->pcb, part);
    }
}

void stream_consume(struct stream *s, size_t len) {
    len = MIN(len, s->rx_len);
    s->rx_len -= len;
    s->rx_credit += len;
    size_t part = MIN(len, s->pull_len), run = 0;
    s->pull_at += part;
    s->pull_len -= part;
    for (len -= part; len != 0; len -= part) {
        first_run(s, &run);
        part = MIN(len, run);
        s->rx_offset += part;
        if (s->rx_offset == s->rx_first->len)
            free_first(s);
    }
    if (s->rx_credit >= CREDIT_MIN)
        stream_rx_give_window(s);
}

void stream_rx_drop(struct stream *s) {
    stream_consume(s, s->rx_len);
    stream_rx_give_window(s);
}

void stream_rx_free(struct stream *s) {
    while (s->rx_first != NULL)
        free_first(s);
    if (s->pull != NULL)
        frames_free(virt_to_phys(s->pull), STREAM_PULL_ORDER);
    s->pull = NULL;
}
