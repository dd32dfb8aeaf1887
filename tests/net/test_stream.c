/* SPDX-License-Identifier: MIT */
/* test_stream.c - net/stream.h over the real lwIP, both ends in this process, on a wire with faults. */
#include "net/stream.h"
#include "net/stream_poll.h"
#include "tests/net/wire_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PORT 7000
#define PULL_MAX (64u * 1024u)

/* One end of a connection, and what happened to it. */
struct end {
    struct stream *s;
    unsigned events; /* BIT(event) seen */
    unsigned nr_failed;
    struct reason why;
    uint64_t to_send, sent, received;
    bool hold; /* do not read */
    bool close_at_eof;
    void (*hook)(struct end *e, enum stream_event event);
};

static struct end client, server;
static unsigned nr_accepted;
static bool content_may_differ; /* somebody forges packets */

static uint8_t octet_at(uint64_t position) {
    return (uint8_t)(position * 31 + (position >> 8) * 7 + (position >> 16));
}

static void send_more(struct end *e) {
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

static void check(struct end *e, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len && !content_may_differ; i++)
        if (data[i] != octet_at(e->received + i))
            fail_msg("octet %lu is wrong", (unsigned long)(e->received + i));
    stream_consume(e->s, len);
    e->received += len;
}

static void read_all(struct end *e) {
    while (!e->hold && e->s != NULL && stream_available(e->s) != 0) {
        size_t len = 0, before = stream_available(e->s), want = (size_t)rand() % 10000 + 1;
        const uint8_t *data = stream_pullup(e->s, want);
        assert_true((data != NULL) == (want <= before));
        assert_int_equal(stream_available(e->s), before);
        if (data != NULL && rand() % 2) {
            check(e, data, want);
            continue;
        }
        data = stream_peek(e->s, &len);
        assert_non_null(data);
        assert_true(len > 0 && len <= before);
        check(e, data, rand() % 2 ? len : (size_t)rand() % len + 1);
    }
}

static void handle(void *ctx, struct stream *s, enum stream_event event, const struct reason *why) {
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

static void on_accept(void *ctx, struct stream *s, struct net_addr peer) {
    struct end *e = ctx;
    assert_int_equal(peer.ipv4, WIRE_PEER);
    assert_true(peer.port >= 1024);
    nr_accepted++;
    e->s = s;
    stream_set_handler(s, handle, e);
}

static bool is_connected(void *ctx) {
    (void)ctx;
    return (client.events & BIT(STREAM_CONNECTED)) && server.s != NULL;
}

static bool has_failed(void *ctx) {
    return ((struct end *)ctx)->nr_failed != 0;
}

static bool has_all(void *ctx) {
    (void)ctx;
    return server.received == client.to_send && client.received == server.to_send;
}

static bool is_acked(void *ctx) {
    struct end *e = ctx;
    return stream_unacked(e->s) == 0;
}

static struct net_addr peer_addr(void) {
    return (struct net_addr){WIRE_PEER, PORT};
}

static void connect_both(void) {
    struct reason why = {""};
    assert_int_equal(stream_listen(PORT, on_accept, &server), OK);
    assert_int_equal(stream_connect(peer_addr(), handle, &client, &client.s, &why), OK);
    assert_true(wire_run(5000, is_connected, NULL));
}

static void close_both(void) {
    if (client.s != NULL)
        stream_close(client.s);
    if (server.s != NULL)
        stream_close(server.s);
    client.s = server.s = NULL;
}

static int setup(void **state) {
    (void)state;
    srand(7);
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    memset(&wire_faults, 0, sizeof wire_faults);
    nr_accepted = 0;
    return 0;
}

/* After every test: nothing is left, neither slots nor memory. */
static int teardown(void **state) {
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

static void transfer(uint64_t forth, uint64_t back) {
    client.to_send = forth;
    server.to_send = back;
    connect_both();
    send_more(&client);
    send_more(&server);
    assert_true(wire_run(600000, has_all, NULL));
    assert_int_equal(client.nr_failed + server.nr_failed, 0);
}

static void test_stream_small_exchange(void **state) {
    (void)state;
    transfer(100, 100);
    assert_true(wire_run(1000, is_acked, &client));
    client.close_at_eof = true;
    stream_close(server.s);
    server.s = NULL;
    wire_run(1000, NULL, NULL);
    assert_null(client.s); /* saw EOF */
    assert_true(client.events & BIT(STREAM_EOF));
    assert_int_equal(stream_count(), 0);
}

static void test_stream_bulk_both_ways(void **state) {
    (void)state;
    transfer(20 * MIB, 5 * MIB);
    /* Far fewer packets than two per octet run: acknowledgements are not one per packet. */
    assert_true(wire_packets() < 2 * (25 * MIB / 1460));
}

static void test_stream_bulk_without_cutting(void **state) {
    (void)state;
    wire_faults.no_cutting = true;
    transfer(8 * MIB, 3 * MIB + 1);
}

static void test_stream_bulk_with_loss(void **state) {
    (void)state;
    wire_faults.loss_permille = 10;
    transfer(6 * MIB, 2 * MIB);
}

static void test_stream_bulk_with_everything(void **state) {
    (void)state;
    wire_faults.loss_permille = 5;
    wire_faults.double_permille = 10;
    wire_faults.late_permille = 20;
    transfer(4 * MIB, 4 * MIB);
}

/* Damaged packets never reach the reader, whoever checks them. */
static void test_stream_bulk_with_damage(void **state) {
    (void)state;
    wire_faults.damage_permille = 10;
    transfer(6 * MIB, 2 * MIB);
}

static void test_stream_bulk_loss_without_cutting(void **state) {
    (void)state;
    wire_faults.no_cutting = true;
    wire_faults.loss_permille = 20;
    wire_faults.late_permille = 20;
    transfer(3 * MIB, 1 * MIB);
}

static void test_stream_write_is_all_or_nothing(void **state) {
    (void)state;
    static uint8_t big[2 * MIB];
    connect_both();
    server.hold = true;
    size_t space = stream_space(client.s);
    assert_int_equal(stream_write(client.s, big, space + 1), ERR_FULL);
    assert_int_equal(stream_unacked(client.s), 0);
    for (size_t i = 0; i < space; i++)
        big[i] = octet_at(i);
    assert_int_equal(stream_write(client.s, big, space), OK);
    assert_int_equal(stream_space(client.s), 0);
    assert_int_equal(stream_unacked(client.s), space);
    assert_int_equal(stream_write(client.s, big, 1), ERR_FULL);
    stream_flush(client.s);
    wire_run(2000, NULL, NULL);
    server.hold = false;
    read_all(&server);
    client.to_send = client.sent = space;
    assert_true(wire_run(20000, has_all, NULL));
}

/* The reader sleeps until the window is shut for long, then goes on. */
static void test_stream_slow_reader(void **state) {
    (void)state;
    client.to_send = 5 * MIB;
    server.hold = true;
    connect_both();
    send_more(&client);
    wire_run(8000, NULL, NULL);
    assert_true(server.received == 0 && client.sent < client.to_send);
    assert_int_equal(client.nr_failed + server.nr_failed, 0);
    server.hold = false;
    read_all(&server);
    assert_true(wire_run(60000, has_all, NULL));
}

/* What was written before close arrives, although the handle is gone. */
static void test_stream_close_flushes(void **state) {
    (void)state;
    wire_faults.loss_permille = 5;
    connect_both();
    client.to_send = 900 * KIB;
    send_more(&client);
    assert_int_equal(client.sent, client.to_send);
    stream_close(client.s);
    client.s = NULL;
    server.close_at_eof = true;
    wire_run(60000, NULL, NULL);
    assert_int_equal(server.received, client.to_send);
    assert_null(server.s);
}

static void test_stream_refused(void **state) {
    (void)state;
    struct reason why;
    assert_int_equal(stream_connect(peer_addr(), handle, &client, &client.s, &why), OK);
    assert_true(wire_run(1000, has_failed, &client));
    assert_string_equal(client.why.text,
                        "connection refused by 10.0.0.2:7000; is the service running there?");
    assert_int_equal(client.events, BIT(STREAM_FAILED));
}

static void test_stream_no_answer(void **state) {
    (void)state;
    struct reason why;
    wire_faults.dead = true;
    assert_int_equal(stream_connect(peer_addr(), handle, &client, &client.s, &why), OK);
    assert_false(wire_run(2900, has_failed, &client));
    assert_true(wire_run(200, has_failed, &client));
    assert_non_null(strstr(client.why.text, "no answer from 10.0.0.2:7000 within 3 s"));
}

static void test_stream_peer_dies(void **state) {
    (void)state;
    connect_both();
    wire_faults.dead = true;
    client.to_send = 100000; /* with data under way, too */
    send_more(&client);
    assert_true(wire_run(15000, has_failed, &client));
    assert_true(wire_run(15000, has_failed, &server));
    assert_int_equal(client.nr_failed + server.nr_failed, 2);
    assert_non_null(strstr(client.why.text, "no sign of life from 10.0.0.2:7000"));
}

static void test_stream_abort_resets_the_peer(void **state) {
    (void)state;
    connect_both();
    client.to_send = 200000;
    send_more(&client);
    stream_abort(client.s);
    client.s = NULL;
    assert_true(wire_run(1000, has_failed, &server));
    assert_non_null(strstr(server.why.text, "connection reset by 10.0.0.2:"));
}

static void abort_self(struct end *e, enum stream_event event) {
    if (event == STREAM_READABLE && e->s != NULL) {
        stream_abort(e->s);
        e->s = NULL;
    }
}

static void close_other(struct end *e, enum stream_event event) {
    struct end *other = e == &client ? &server : &client;
    if (event == STREAM_READABLE && other->s != NULL) {
        stream_close(other->s);
        other->s = NULL;
    }
}

static void test_stream_abort_in_callback(void **state) {
    (void)state;
    server.hook = abort_self;
    connect_both();
    client.to_send = 50000;
    send_more(&client);
    stream_flush(client.s);
    assert_true(wire_run(1000, has_failed, &client));
    assert_int_equal(server.nr_failed, 0);
    assert_int_equal(server.received, 0);
}

static void test_stream_close_another_in_callback(void **state) {
    (void)state;
    server.hook = close_other;
    connect_both();
    client.to_send = 50000;
    send_more(&client);
    stream_flush(client.s);
    wire_run(1000, NULL, NULL);
    assert_int_equal(server.received, 50000);
    assert_true(server.events & BIT(STREAM_EOF));
}

static void test_stream_close_while_connecting(void **state) {
    (void)state;
    struct reason why;
    assert_int_equal(stream_listen(PORT, on_accept, &server), OK);
    assert_int_equal(stream_connect(peer_addr(), handle, &client, &client.s, &why), OK);
    stream_close(client.s);
    client.s = NULL;
    wire_run(5000, NULL, NULL);
    assert_int_equal(client.events, 0);
}

static void reject(void *ctx, struct stream *s, struct net_addr peer) {
    (void)ctx;
    (void)peer;
    nr_accepted++;
    stream_abort(s);
}

static void test_stream_accept_may_abort(void **state) {
    (void)state;
    struct reason why;
    assert_int_equal(stream_listen(PORT, reject, NULL), OK);
    assert_int_equal(stream_listen(PORT, reject, NULL), ERR_EXIST);
    assert_int_equal(stream_connect(peer_addr(), handle, &client, &client.s, &why), OK);
    assert_true(wire_run(1000, has_failed, &client));
    assert_int_equal(nr_accepted, 1);
}

static void ignore(void *ctx, struct stream *s, enum stream_event event, const struct reason *why) {
    (void)s;
    (void)why;
    if (event == STREAM_FAILED)
        *(struct stream **)ctx = NULL;
}

static void on_accept_ignored(void *ctx, struct stream *s, struct net_addr peer) {
    (void)ctx;
    (void)peer;
    nr_accepted++;
    stream_set_handler(s, ignore, &server.s);
}

/* More connections than slots: the rest is refused, nothing breaks, and the slots come back. */
static void test_stream_all_slots_in_use(void **state) {
    (void)state;
    struct stream *many[40] = {0};
    struct reason why;
    assert_int_equal(stream_listen(PORT, on_accept_ignored, NULL), OK);
    unsigned made = 0;
    for (unsigned i = 0; i < ARRAY_LEN(many); i++) {
        result_t r = stream_connect(peer_addr(), ignore, &many[i], &many[i], &why);
        if (r == OK)
            made++;
        else
            assert_int_equal(r, ERR_FULL);
        wire_run(20, NULL, NULL);
    }
    assert_true(made >= 8);
    assert_true(nr_accepted >= 1 && nr_accepted <= 16);
    for (unsigned i = 0; i < ARRAY_LEN(many); i++)
        if (many[i] != NULL)
            stream_abort(many[i]);
}

static void test_stream_connect_to_self_or_nowhere(void **state) {
    (void)state;
    struct reason why;
    struct net_addr self = {WIRE_SELF, PORT};
    assert_int_equal(stream_connect(self, handle, &client, &client.s, &why), ERR_INVAL);
    assert_non_null(strstr(why.text, "own address"));
}

static void test_stream_pullup_limits(void **state) {
    (void)state;
    connect_both();
    client.to_send = 200000;
    server.hold = true;
    send_more(&client);
    wire_run(1000, NULL, NULL);
    assert_int_equal(stream_available(server.s), 200000);
    assert_null(stream_pullup(server.s, PULL_MAX + 1));
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *data = stream_pullup(server.s, PULL_MAX);
        assert_non_null(data);
        check(&server, data, 30000); /* leaves a rest in the buffer, which has to be moved */
        data = stream_pullup(server.s, 1);
        assert_non_null(data);
        assert_int_equal(data[0], octet_at(server.received));
    }
    stream_consume(server.s, SIZE_MAX); /* more than there is: all of it */
    assert_int_equal(stream_available(server.s), 0);
    assert_null(stream_pullup(server.s, 1));
}

/* Real segments with wrong fields but right checksums: anything may happen to the connection, nothing to the
 * machine. */
static void test_stream_survives_hostile_packets(void **state) {
    (void)state;
    uint8_t packet[1500];
    content_may_differ = true;
    for (unsigned round = 0; round < 60; round++) {
        setup(NULL);
        srand(round + 1);
        client.to_send = server.to_send = 300 * KIB;
        connect_both();
        send_more(&client);
        send_more(&server);
        for (unsigned i = 0; i < 400; i++) {
            uint16_t len = wire_sample(packet);
            for (int n = rand() % 4; n >= 0; n--)
                packet[rand() % 60] = (uint8_t)(rand() % 3 ? rand() : 0);
            if (rand() % 4 == 0)
                len = (uint16_t)(20 + rand() % 60);
            if (rand() % 2 == 0) /* keep the addresses and the protocol, or nothing gets far */
                packet[0] = 0x45, packet[6] = packet[7] = 0, packet[9] = 6;
            wire_inject(packet, len);
            if (i % 8 == 0)
                wire_run(1, NULL, NULL);
        }
        stream_unlisten(PORT);
        wire_faults.dead = true;
        if (client.s != NULL)
            stream_abort(client.s);
        if (server.s != NULL)
            stream_abort(server.s);
        client.s = server.s = NULL;
        wire_settle();
    }
    wire_run(20000, NULL, NULL); /* fragments that wait for the rest */
    content_may_differ = false;
}

/* A peer that is alive but never reads cannot hold a closed stream for ever. */
static void test_stream_close_gives_up_on_a_stuck_peer(void **state) {
    (void)state;
    server.hold = true;
    connect_both();
    client.to_send = 2 * MIB;
    send_more(&client);
    wire_run(1000, NULL, NULL);
    send_more(&client);
    stream_close(client.s);
    client.s = NULL;
    wire_run(30000, NULL, NULL);
    assert_int_equal(stream_count(), 2);
    wire_run(40000, NULL, NULL);
    assert_int_equal(server.nr_failed, 1);
    assert_int_equal(stream_count(), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        T(test_stream_small_exchange),
        T(test_stream_bulk_both_ways),
        T(test_stream_bulk_without_cutting),
        T(test_stream_bulk_with_loss),
        T(test_stream_bulk_with_everything),
        T(test_stream_bulk_with_damage),
        T(test_stream_bulk_loss_without_cutting),
        T(test_stream_write_is_all_or_nothing),
        T(test_stream_slow_reader),
        T(test_stream_close_flushes),
        T(test_stream_refused),
        T(test_stream_no_answer),
        T(test_stream_peer_dies),
        T(test_stream_abort_resets_the_peer),
        T(test_stream_abort_in_callback),
        T(test_stream_close_another_in_callback),
        T(test_stream_close_while_connecting),
        T(test_stream_accept_may_abort),
        T(test_stream_all_slots_in_use),
        T(test_stream_connect_to_self_or_nowhere),
        T(test_stream_pullup_limits),
        T(test_stream_close_gives_up_on_a_stuck_peer),
        T(test_stream_survives_hostile_packets),
    };
    wire_start();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
