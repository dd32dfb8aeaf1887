/* SPDX-License-Identifier: MIT */
#include "net/testserv.h"

#include "net/stream.h"

#define CLIENTS 4u

struct client {
    struct stream *stream; /* NULL: free */
    char mode;             /* 0: not said yet */
    uint64_t received;
};

static struct client clients[CLIENTS];
static const uint8_t zeros[16384];

static void send_zeros(struct client *c) {
    while (stream_space(c->stream) >= sizeof zeros) {
        if (stream_write(c->stream, zeros, sizeof zeros) != OK)
            return;
    }
}

static void take(struct client *c) {
    const uint8_t *data;
    size_t len = 0;
    while ((data = stream_peek(c->stream, &len)) != NULL && len != 0) {
        if (c->mode == 0) {
            c->mode = (char)data[0];
            len = 1;
        } else if (c->mode == 'e') {
            len = MIN(len, stream_space(c->stream));
            if (len == 0 || stream_write(c->stream, data, len) != OK)
                return; /* goes on at STREAM_WRITABLE */
            c->received += len;
        } else {
            c->received += len;
        }
        stream_consume(c->stream, len);
    }
}

static void finish(struct client *c) {
    if (c->mode == 'D' && stream_write(c->stream, &c->received, sizeof c->received) != OK)
        stream_abort(c->stream);
    else
        stream_close(c->stream);
    c->stream = NULL;
}

static void handle(void *ctx, struct stream *s, enum stream_event event, const struct reason *why) {
    struct client *c = ctx;
    (void)s;
    (void)why;
    if (event == STREAM_FAILED) {
        c->stream = NULL;
        return;
    }
    take(c);
    if (c->mode == 's')
        send_zeros(c);
    if (event == STREAM_EOF && stream_available(c->stream) == 0)
        finish(c);
}

static void accept_client(void *ctx, struct stream *s, struct net_addr peer) {
    (void)ctx;
    (void)peer;
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (clients[i].stream == NULL) {
            clients[i] = (struct client){.stream = s};
            stream_set_handler(s, handle, &clients[i]);
            return;
        }
    }
    stream_abort(s);
}

result_t testserv_start(uint16_t port) {
    return stream_listen(port, accept_client, NULL);
}

void testserv_stop(uint16_t port) {
    stream_unlisten(port);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (clients[i].stream != NULL)
            stream_abort(clients[i].stream);
        clients[i].stream = NULL;
    }
}
