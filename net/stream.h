/* SPDX-License-Identifier: MIT */
/* stream.h - byte streams between hosts (TCP over lwIP's raw API), for migration and later services.
 * lwIP's 16-bit lengths, callbacks and error codes stay behind this header.
 * - stream_listen / stream_unlisten: accept connections on a port.
 * - stream_connect: start connecting; STREAM_CONNECTED or STREAM_FAILED follows.
 * - stream_write: all or nothing, copies; stream_space: how much fits now; stream_unacked: accepted but not
 * yet acknowledged.
 * - stream_peek / stream_consume: received octets, contiguous and in order, without a copy where they lie in
 * one buffer.
 * - stream_close: flush and close gracefully; stream_abort: reset. After either, the handle is gone and no
 * callback comes. Context: CPU 0's loop. Callbacks run inside net_poll; they may call any function here, also
 * close or abort. A hosted test links its own implementation. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "kernel/result.h"

struct stream;

struct net_addr {
    uint32_t ipv4; /* host byte order */
    uint16_t port;
};

enum stream_event {
    STREAM_CONNECTED = 1,
    STREAM_READABLE, /* new octets to peek at */
    STREAM_WRITABLE, /* space or unacked changed: the peer acknowledged something */
    STREAM_EOF,      /* the peer closed its side; unread octets may remain */
    STREAM_FAILED,   /* reset, timed out, refused: the handle is gone after this callback */
};

typedef void (*stream_fn)(void *ctx, struct stream *s, enum stream_event event, const struct reason *why);
/* A connection came in; set its handler with stream_set_handler or abort it before returning. */
typedef void (*stream_accept_fn)(void *ctx, struct stream *s, struct net_addr peer);

result_t stream_listen(uint16_t port, stream_accept_fn accept, void *ctx) MUST_CHECK;
void stream_unlisten(uint16_t port);
result_t stream_connect(struct net_addr peer, stream_fn fn, void *ctx, struct stream **out,
                        struct reason *why) MUST_CHECK;
void stream_set_handler(struct stream *s, stream_fn fn, void *ctx);
size_t stream_space(const struct stream *s);
result_t stream_write(struct stream *s, const void *data,
                      size_t len) MUST_CHECK; /* ERR_FULL: len > stream_space */
void stream_flush(struct stream *s);          /* push what was written onto the wire now */
size_t stream_unacked(const struct stream *s);
const uint8_t *stream_peek(struct stream *s,
                           size_t *len); /* first contiguous received run; len 0 when none */
/* stream_pullup - make at least `want` octets contiguous (copies if needed); NULL while fewer have come. want
 * <= 64 KiB. */
const uint8_t *stream_pullup(struct stream *s, size_t want);
void stream_consume(struct stream *s, size_t len);
size_t stream_available(const struct stream *s);
void stream_close(struct stream *s);
void stream_abort(struct stream *s);

/* net_addr_parse - "10.0.0.2" or "10.0.0.2:7000" (default_port otherwise). */
result_t net_addr_parse(const char *text, uint16_t default_port, struct net_addr *out) MUST_CHECK;

#endif
