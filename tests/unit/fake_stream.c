/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_stream.h"

#include "tests/unit/fake_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STREAMS 64
#define MAX_LISTENERS 16

struct queue {
    uint8_t *data;
    size_t start, len, cap;
};

struct stream {
    bool used, server, told_connected, closed; /* closed: by its owner, flushing */
    bool eof_told;
    bool orphan; /* the peer vanished without a word */
    unsigned host;
    struct stream *peer;
    struct net_addr to;
    stream_fn fn;
    void *ctx;
    struct queue out, in;
    bool connecting;
    uint64_t carried;
};

struct listener {
    bool used;
    unsigned host;
    uint16_t port;
    stream_accept_fn accept;
    void *ctx;
};

struct fake_link fake_link;
static struct stream *streams[MAX_STREAMS];
static struct listener listeners[MAX_LISTENERS];
static struct queue captured[2];

static void queue_put(struct queue *q, const void *data, size_t len) {
    if (len == 0)
        return;
    if (q->start > 0 && q->start + q->len + len > q->cap) {
        memmove(q->data, q->data + q->start, q->len);
        q->start = 0;
    }
    if (q->start + q->len + len > q->cap) {
        q->cap = (q->start + q->len + len) * 2;
        q->data = realloc(q->data, q->cap);
    }
    memcpy(q->data + q->start + q->len, data, len);
    q->len += len;
}

static void queue_drop(struct queue *q, size_t len) {
    q->start += len;
    q->len -= len;
    if (q->len == 0)
        q->start = 0;
}

static void queue_free(struct queue *q) {
    free(q->data);
    *q = (struct queue){0};
}

static struct stream *new_stream(unsigned host) {
    for (unsigned i = 0; i < MAX_STREAMS; i++)
        if (streams[i] == NULL) {
            streams[i] = calloc(1, sizeof *streams[i]);
            streams[i]->used = true;
            streams[i]->host = host;
            return streams[i];
        }
    return NULL;
}

static void free_stream(struct stream *s) {
    if (s->peer != NULL)
        s->peer->peer = NULL;
    queue_free(&s->out);
    queue_free(&s->in);
    for (unsigned i = 0; i < MAX_STREAMS; i++)
        if (streams[i] == s)
            streams[i] = NULL;
    free(s);
}

void fake_stream_reset(void) {
    for (unsigned i = 0; i < MAX_STREAMS; i++)
        if (streams[i] != NULL)
            free_stream(streams[i]);
    memset(listeners, 0, sizeof listeners);
    queue_free(&captured[0]);
    queue_free(&captured[1]);
    fake_link = (struct fake_link){.rate = 64 * 1024, .queue = 256 * 1024};
}

unsigned fake_stream_open_count(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < MAX_STREAMS; i++)
        n += streams[i] != NULL;
    return n;
}

void fake_stream_forget(unsigned host) {
    for (unsigned i = 0; i < MAX_STREAMS; i++)
        if (streams[i] != NULL && streams[i]->host == host) {
            if (streams[i]->peer != NULL)
                streams[i]->peer->orphan = true;
            free_stream(streams[i]);
        }
}

const uint8_t *fake_stream_capture(unsigned dir, size_t *len) {
    *len = captured[dir].len;
    return captured[dir].data;
}

static void tell(struct stream *s, enum stream_event e, const char *line) {
    struct reason why;
    unsigned before = fake_host;
    (void)reason_set(&why, OK, "%s", line);
    fake_host = s->host;
    if (s->fn != NULL && !s->closed)
        s->fn(s->ctx, s, e, &why);
    fake_host = before;
}

static bool is_alive(const struct stream *s) {
    for (unsigned i = 0; i < MAX_STREAMS; i++)
        if (streams[i] == s)
            return true;
    return false;
}

static void fail_stream(struct stream *s, const char *line) {
    if (s->peer != NULL)
        s->peer->peer = NULL;
    s->peer = NULL;
    tell(s, STREAM_FAILED, line);
    if (is_alive(s))
        free_stream(s);
}

static void open_connection(struct stream *s) {
    unsigned host = (s->to.ipv4 & 0xff) - 1;
    struct listener *l = NULL;
    for (unsigned i = 0; i < MAX_LISTENERS; i++)
        if (listeners[i].used && listeners[i].host == host && listeners[i].port == s->to.port)
            l = &listeners[i];
    if (fake_link.black_hole)
        return;
    s->connecting = false;
    if (l == NULL || fake_link.refuse) {
        fail_stream(s, "connection refused");
        return;
    }
    struct stream *server = new_stream(host);
    server->server = true;
    server->peer = s;
    s->peer = server;
    queue_free(&captured[0]);
    queue_free(&captured[1]);
    unsigned before = fake_host;
    fake_host = host;
    l->accept(l->ctx, server, (struct net_addr){.ipv4 = 0x0a000001 + s->host, .port = 40000});
    fake_host = before;
    if (is_alive(s) && s->peer != NULL)
        tell(s, STREAM_CONNECTED, "");
}

static void flip(struct stream *s, size_t n) {
    uint64_t at = s->server ? fake_link.corrupt_back_at : fake_link.corrupt_at;
    if (at > s->carried && at <= s->carried + n)
        s->out.data[s->out.start + (at - s->carried - 1)] ^= 0x10;
}

static bool carry(struct stream *s) {
    size_t n = s->out.len < fake_link.rate ? s->out.len : fake_link.rate;
    struct stream *to = s->peer;
    if (n == 0 || to == NULL || fake_link.black_hole)
        return false;
    flip(s, n);
    if (fake_link.capture)
        queue_put(&captured[s->server], s->out.data + s->out.start, n);
    if (!to->closed)
        queue_put(&to->in, s->out.data + s->out.start, n);
    queue_drop(&s->out, n);
    s->carried += n;
    fake_link.carried += n;
    tell(to, STREAM_READABLE, "");
    if (is_alive(s))
        tell(s, STREAM_WRITABLE, "");
    return true;
}

bool fake_stream_poll(void) {
    bool busy = false;
    for (unsigned i = 0; i < MAX_STREAMS; i++)
        if (streams[i] != NULL && streams[i]->connecting)
            open_connection(streams[i]), busy = true;
    for (unsigned i = 0; i < MAX_STREAMS; i++)
        if (streams[i] != NULL)
            busy |= carry(streams[i]);
    bool cut = fake_link.cut || (fake_link.cut_after != 0 && fake_link.carried >= fake_link.cut_after);
    for (unsigned i = 0; cut && i < MAX_STREAMS; i++)
        if (streams[i] != NULL && !streams[i]->connecting)
            fail_stream(streams[i], "connection reset");
    if (cut) {
        fake_link.cut = false;
        fake_link.cut_after = 0;
    }
    for (unsigned i = 0; i < MAX_STREAMS; i++) {
        struct stream *s = streams[i];
        if (s == NULL || s->connecting || fake_link.black_hole)
            continue;
        if (s->peer == NULL && !s->closed && !s->eof_told && !s->orphan) { /* the peer closed after flushing */
            s->eof_told = true;
            s->closed = s->fn == NULL; /* a raw connection hangs up as well */
            tell(s, STREAM_EOF, "");
            busy = true;
        } else if (s->closed && (s->out.len == 0 || s->peer == NULL)) {
            free_stream(s);
            busy = true;
        }
    }
    return busy;
}

result_t stream_listen(uint16_t port, stream_accept_fn accept, void *ctx) {
    for (unsigned i = 0; i < MAX_LISTENERS; i++)
        if (!listeners[i].used) {
            listeners[i] = (struct listener){true, fake_host, port, accept, ctx};
            return OK;
        }
    return fail(ERR_FULL);
}

void stream_unlisten(uint16_t port) {
    for (unsigned i = 0; i < MAX_LISTENERS; i++)
        if (listeners[i].used && listeners[i].host == fake_host && listeners[i].port == port)
            listeners[i].used = false;
}

result_t stream_connect(struct net_addr peer, stream_fn fn, void *ctx, struct stream **out,
                        struct reason *why) {
    struct stream *s = new_stream(fake_host);
    if (s == NULL)
        return reason_set(why, ERR_NOMEM, "no stream left");
    s->to = peer;
    s->fn = fn;
    s->ctx = ctx;
    s->connecting = true;
    *out = s;
    return OK;
}

struct stream *fake_raw_connect(unsigned from, unsigned to, uint16_t port) {
    struct stream *s = NULL;
    unsigned before = fake_host;
    fake_host = from;
    result_t r = stream_connect((struct net_addr){.ipv4 = 0x0a000001 + to, .port = port}, NULL, NULL, &s,
                                NULL);
    fake_host = before;
    fake_stream_poll();
    return r == OK && is_alive(s) ? s : NULL;
}

void stream_set_handler(struct stream *s, stream_fn fn, void *ctx) {
    s->fn = fn;
    s->ctx = ctx;
}

size_t stream_space(const struct stream *s) {
    return fake_link.queue - (s->out.len < fake_link.queue ? s->out.len : fake_link.queue);
}

result_t stream_write(struct stream *s, const void *data, size_t len) {
    if (s->closed)
        abort();
    if (len > stream_space(s))
        return fail(ERR_FULL);
    queue_put(&s->out, data, len);
    return OK;
}

void stream_flush(struct stream *s) {
    (void)s;
}

size_t stream_unacked(const struct stream *s) {
    return s->out.len;
}

const uint8_t *stream_peek(struct stream *s, size_t *len) {
    *len = fake_link.piece != 0 && s->in.len > fake_link.piece ? fake_link.piece : s->in.len;
    return *len > 0 ? s->in.data + s->in.start : NULL;
}

const uint8_t *stream_pullup(struct stream *s, size_t want) {
    return s->in.len >= want ? s->in.data + s->in.start : NULL;
}

void stream_consume(struct stream *s, size_t len) {
    if (len > s->in.len)
        abort();
    queue_drop(&s->in, len);
}

size_t stream_available(const struct stream *s) {
    return s->in.len;
}

void stream_close(struct stream *s) {
    s->closed = true;
    s->fn = NULL;
}

void stream_abort(struct stream *s) {
    struct stream *peer = s->peer;
    s->closed = true;
    free_stream(s);
    if (peer != NULL && !peer->closed && !fake_link.black_hole)
        fail_stream(peer, "connection reset by peer");
}

__attribute__((weak)) result_t net_addr_parse(const char *text, uint16_t default_port, struct net_addr *out) {
    unsigned a, b, c, d;
    if (sscanf(text, "%u.%u.%u.%u", &a, &b, &c, &d) != 4 || (a | b | c | d) > 255)
        return fail(ERR_INVAL);
    *out = (struct net_addr){.ipv4 = a << 24 | b << 16 | c << 8 | d, .port = default_port};
    return OK;
}
