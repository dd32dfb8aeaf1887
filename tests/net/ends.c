/* SPDX-License-Identifier: MIT */
#include "tests/net/ends.h"

#include "net/stream_poll.h"
#include "tests/net/wire_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct end client, server;
unsigned nr_accepted;
bool content_may_differ;

uint8_t octet_at(uint64_t position) {
    return (uint8_t)(position * 31 + (position >> 8) * 7 + (position >> 16));
}

void send_more(struct end *e) {
    uint8_t block[9000];
    while (e->s != NULL && e->sent < e->to_send) {
        size_t len = (size_t)rand() % sizeof block + 1;
        len = MIN(len, (size_t)(e->to_send - e->sent));
        for (size_t i = 0; i < len; i++)
            block[i] = octet_at(e->sent + i);
        size_t space = stream_space(e->s);
        result_t r = stream_write(e->s, block, len);
        assert_int_equal(r, len > space ? ERR_FULL : OK);
        if (r != OK)
            return;
        assert_int_equal(stream_space(e->s), space - len);
        e->sent += len;
    }
}

void check_octets(struct end *e, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len && !content_may_differ; i++)
        if (data[i] != octet_at(e->received + i))
            fail_msg("octet %lu is wrong", (unsigned long)(e->received + i));
    stream_consume(e->s, len);
    e->received += len;
}

void read_all(struct end *e) {
    while (!e->hold && e->s != NULL && stream_available(e->s) != 0) {
        size_t len = 0, before = stream_available(e->s), want = (size_t)rand() % 10000 + 1;
        const uint8_t *data = stream_pullup(e->s, want);
        assert_true((data != NULL) == (want <= before));
        assert_int_equal(stream_available(e->s), before);
        if (data != NULL && rand() % 2) {
            check_octets(e, data, want);
            continue;
        }
        data = stream_peek(e->s, &len);
        assert_non_null(data);
        assert_true(len > 0 && len <= before);
        check_octets(e, data, rand() % 2 ? len : (size_t)rand() % len + 1);
    }
}

void handle_event(void *ctx, struct stream *s, enum stream_event event, const struct reason *why) {
    struct end *e = ctx;
    assert_ptr_equal(s, e->s);
    e->events |= (unsigned)BIT(event);
    if (event == STREAM_FAILED) {
        e->nr_failed++;
        e->why = *why;
        e->s = NULL;
    }
    if (e->hook != NULL)
        e->hook(e, event);
    read_all(e);
    send_more(e);
    if (event == STREAM_EOF && e->close_at_eof && e->s != NULL) {
        stream_close(e->s);
        e->s = NULL;
    }
}

void accept_server(void *ctx, struct stream *s, struct net_addr peer) {
    struct end *e = ctx;
    assert_int_equal(peer.ipv4, WIRE_PEER);
    assert_true(peer.port >= 1024);
    nr_accepted++;
    e->s = s;
    stream_set_handler(s, handle_event, e);
}

bool is_connected(void *ctx) {
    (void)ctx;
    return (client.events & BIT(STREAM_CONNECTED)) && server.s != NULL;
}

bool has_failed(void *ctx) {
    return ((struct end *)ctx)->nr_failed != 0;
}

bool has_all(void *ctx) {
    (void)ctx;
    return server.received == client.to_send && client.received == server.to_send;
}

bool is_acked(void *ctx) {
    struct end *e = ctx;
    return stream_unacked(e->s) == 0;
}

struct net_addr peer_addr(void) {
    return (struct net_addr){WIRE_PEER, PORT};
}

void connect_both(void) {
    struct reason why = {""};
    assert_int_equal(stream_listen(PORT, accept_server, &server), OK);
    assert_int_equal(stream_connect(peer_addr(), handle_event, &client, &client.s, &why), OK);
    assert_true(wire_run(5000, is_connected, NULL));
}

void close_both(void) {
    if (client.s != NULL)
        stream_close(client.s);
    if (server.s != NULL)
        stream_close(server.s);
    client.s = server.s = NULL;
}

int setup_ends(void **state) {
    (void)state;
    srand(7);
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    memset(&wire_faults, 0, sizeof wire_faults);
    nr_accepted = 0;
    return 0;
}

/* After every test: nothing is left, neither slots nor memory. */
int teardown_ends(void **state) {
    (void)state;
    memset(&wire_faults, 0, sizeof wire_faults);
    stream_unlisten(PORT);
    close_both();
    wire_settle();
    assert_int_equal(stream_count(), 0);
    assert_int_equal(wire_frames_out(), 0);
    assert_int_equal(wire_heap_used(), 0);
    return 0;
}

void transfer(uint64_t forth, uint64_t back) {
    client.to_send = forth;
    server.to_send = back;
    connect_both();
    send_more(&client);
    send_more(&server);
    assert_true(wire_run(600000, has_all, NULL));
    assert_int_equal(client.nr_failed + server.nr_failed, 0);
}
