/* SPDX-License-Identifier: MIT */
#include "migration/channel.h"

static void on_stream(void *ctx, struct stream *s, enum stream_event event, const struct reason *why) {
    struct channel *ch = ctx;
    if (s != ch->stream && ch->stream != NULL)
        return;
    switch (event) {
    case STREAM_CONNECTED: ch->connected = true; break;
    case STREAM_EOF: ch->eof = true; break;
    case STREAM_FAILED:
        ch->failed = true;
        ch->stream = NULL;
        if (why != NULL)
            ch->why = *why;
        break;
    case STREAM_READABLE:
    case STREAM_WRITABLE: break;
    }
}

result_t channel_open(struct channel *ch, struct stream *stream, uint64_t now_ns) {
    *ch = (struct channel){.stream = stream,
                           .connected = stream != NULL,
                           .sent_ns = now_ns,
                           .heard_ns = now_ns,
                           .octets = ch->octets,
                           .received = ch->received};
    result_t r = receiver_init(&ch->rx);
    if (r != OK)
        ch->stream = NULL; /* it stays the caller's */
    else if (stream != NULL)
        stream_set_handler(stream, on_stream, ch);
    return r;
}

result_t channel_connect(struct channel *ch, struct net_addr peer, uint64_t now_ns, struct reason *why) {
    result_t r = channel_open(ch, NULL, now_ns);
    if (r != OK)
        return reason_set(why, r, "no memory for a connection");
    struct stream *stream = NULL;
    r = stream_connect(peer, on_stream, ch, &stream, why);
    if (r != OK)
        receiver_exit(&ch->rx);
    else if (!ch->failed)
        ch->stream = stream;
    return r;
}

void channel_move(struct channel *to, struct channel *from) {
    from->octets += to->octets;
    from->received += to->received;
    *to = *from;
    if (to->stream != NULL)
        stream_set_handler(to->stream, on_stream, to);
    *from = (struct channel){0};
}

result_t channel_send(struct channel *ch, const struct wire_msg *msg, uint8_t *scratch, uint64_t now_ns) {
    uint8_t small[WIRE_HEADER_BYTES + WIRE_MAX_SMALL_BYTES];
    uint8_t *buf = scratch != NULL ? scratch : small;
    size_t cap = scratch != NULL ? WIRE_HEADER_BYTES + WIRE_MAX_CONTROL_BYTES : sizeof small;
    size_t len;
    if (ch->stream == NULL || !ch->connected)
        return fail(ERR_LINK);
    result_t r = wire_encode(msg, ch->seq, buf, cap, &len);
    if (r == OK && len > stream_space(ch->stream))
        r = fail(ERR_FULL);
    if (r == OK)
        r = stream_write(ch->stream, buf, len);
    if (r != OK)
        return r;
    stream_flush(ch->stream);
    ch->seq++;
    ch->octets += len;
    ch->sent_ns = now_ns;
    return OK;
}

enum receiver_result channel_read(struct channel *ch, unsigned *budget, uint64_t now_ns) {
    while (ch->stream != NULL) {
        size_t len = 0, used = 0;
        const uint8_t *data = stream_peek(ch->stream, &len);
        unsigned before = *budget;
        enum receiver_result r = receiver_feed(&ch->rx, data, data != NULL ? len : 0, &used, budget);
        if (used > 0) {
            ch->heard_ns = now_ns;
            ch->received += used;
            stream_consume(ch->stream, used);
        }
        if (r != RECEIVER_MORE)
            return r;
        if ((used == 0 && before == *budget) || *budget == 0)
            break;
    }
    return RECEIVER_MORE;
}

bool channel_is_lost(const struct channel *ch, const char **line) {
    if (ch->failed) {
        *line = ch->why.text[0] != '\0' ? ch->why.text : "the connection was reset";
        return true;
    }
    *line = "the peer closed the connection";
    return ch->stream != NULL && ch->eof && stream_available(ch->stream) == 0;
}

void channel_keepalive(struct channel *ch, uint64_t now_ns) {
    /* now_ns is the begin of this poll; what was sent in it is younger */
    if (ch->stream == NULL || now_ns < ch->sent_ns || now_ns - ch->sent_ns < CHANNEL_KEEPALIVE_NS)
        return;
    struct wire_msg msg = {.type = WIRE_KEEPALIVE, .u.keepalive = {.now_ns = now_ns}};
    if (channel_send(ch, &msg, NULL, now_ns) != OK)
        ch->sent_ns = now_ns; /* the queue is full: that keeps the peer informed as well */
}

static void release(struct channel *ch) {
    ch->stream = NULL;
    ch->connected = ch->lingering = ch->eof = ch->failed = ch->told = false;
    receiver_exit(&ch->rx);
}

void channel_close(struct channel *ch) {
    if (ch->stream != NULL)
        stream_close(ch->stream);
    release(ch);
}

void channel_linger(struct channel *ch, uint64_t now_ns) {
    if (ch->stream == NULL || ch->eof) {
        channel_close(ch);
        return;
    }
    stream_flush(ch->stream);
    ch->lingering = true;
    ch->linger_until_ns = now_ns + CHANNEL_LINGER_NS;
}

bool channel_linger_poll(struct channel *ch, uint64_t now_ns) {
    size_t len = 0;
    if (!ch->lingering)
        return false;
    while (ch->stream != NULL && stream_peek(ch->stream, &len) != NULL && len > 0)
        stream_consume(ch->stream, len);
    if (ch->stream != NULL && !ch->eof && now_ns < ch->linger_until_ns)
        return true;
    channel_close(ch);
    return false;
}

void channel_drop(struct channel *ch) {
    if (ch->stream != NULL)
        stream_abort(ch->stream);
    release(ch);
}
