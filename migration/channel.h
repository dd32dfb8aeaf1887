/* SPDX-License-Identifier: MIT */
/* channel.h - one connection of a migration: the stream, record numbers, the parser, liveness.
 * - channel_open: take over a stream (connecting or accepted). channel_move: hand the connection to another
 * owner.
 * - channel_send: one control record. channel_read: the next record.
 * - channel_close: graceful. channel_linger: as close, but take what still comes until the peer closes, so
 *   that our last words are not overtaken by a reset. channel_drop: at once.
 * What the stream's callback reports is only noted here; the owner looks at it in its poll. */
#ifndef MIGRATION_CHANNEL_H
#define MIGRATION_CHANNEL_H

#include "migration/receiver.h"
#include "net/stream.h"

#define CHANNEL_KEEPALIVE_NS NSEC_PER_SEC
#define CHANNEL_LINGER_NS NSEC_PER_SEC

struct channel {
    struct stream *stream; /* NULL: no connection */
    bool connected;        /* set by the callback or channel_open */
    bool told;             /* the owner knows that it is connected */
    bool eof, failed;
    bool lingering;
    struct reason why; /* of failed */
    uint32_t seq;      /* of the next record that we send */
    uint64_t sent_ns, heard_ns, linger_until_ns;
    uint64_t octets;   /* written by channel_send; both counts go on when the connection is replaced */
    uint64_t received; /* consumed by channel_read */
    struct receiver rx;
};

/* channel_open - stream may be NULL for a channel that will connect: then use channel_connect. ERR_NOMEM: the stream
 * is still the caller's. */
result_t channel_open(struct channel *ch, struct stream *stream, uint64_t now_ns) MUST_CHECK;
result_t channel_connect(struct channel *ch, struct net_addr peer, uint64_t now_ns,
                         struct reason *why) MUST_CHECK;
void channel_move(struct channel *to, struct channel *from);
/* channel_send - ERR_FULL (no room now), ERR_LINK (no connection), ERR_INVAL. scratch: for records longer
 * than 2 KiB, with room for WIRE_HEADER_BYTES + WIRE_MAX_CONTROL_BYTES, or NULL. */
result_t channel_send(struct channel *ch, const struct wire_msg *msg, uint8_t *scratch,
                      uint64_t now_ns) MUST_CHECK;
/* channel_read - RECEIVER_RECORD: ch->rx.msg; RECEIVER_MORE: nothing complete now; RECEIVER_ERROR:
 * ch->rx.why. */
enum receiver_result channel_read(struct channel *ch, unsigned *budget, uint64_t now_ns);
/* channel_is_lost - failed, or closed by the peer and everything was read; line: why. */
bool channel_is_lost(const struct channel *ch, const char **line);
void channel_keepalive(struct channel *ch, uint64_t now_ns); /* sends one when nothing was sent for a while */
void channel_close(struct channel *ch);
void channel_linger(struct channel *ch, uint64_t now_ns);
bool channel_linger_poll(struct channel *ch, uint64_t now_ns); /* false: closed */
void channel_drop(struct channel *ch);

#endif
