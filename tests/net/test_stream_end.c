/* SPDX-License-Identifier: MIT */
/* test_stream_end.c - how streams end: closed, aborted, refused, lost, or under attack. */
#include "tests/net/ends.h"
#include "tests/net/wire_host.h"
#include "net/stream_poll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    assert_int_equal(stream_connect(peer_addr(), handle_event, &client, &client.s, &why), OK);
    assert_true(wire_run(1000, has_failed, &client));
    assert_string_equal(client.why.text,
                        "connection refused by 10.0.0.2:7000; is the service running there?");
    assert_int_equal(client.events, BIT(STREAM_FAILED));
}

static void test_stream_no_answer(void **state) {
    (void)state;
    struct reason why;
    wire_faults.dead = true;
    assert_int_equal(stream_connect(peer_addr(), handle_event, &client, &client.s, &why), OK);
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
    assert_int_equal(stream_listen(PORT, accept_server, &server), OK);
    assert_int_equal(stream_connect(peer_addr(), handle_event, &client, &client.s, &why), OK);
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
    assert_int_equal(stream_connect(peer_addr(), handle_event, &client, &client.s, &why), OK);
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
    assert_int_equal(stream_connect(self, handle_event, &client, &client.s, &why), ERR_INVAL);
    assert_non_null(strstr(why.text, "own address"));
}

/* Real segments with wrong fields but right checksums: anything may happen to the connection, nothing to the
 * machine. */
static void test_stream_survives_hostile_packets(void **state) {
    (void)state;
    uint8_t packet[1500];
    content_may_differ = true;
    for (unsigned round = 0; round < 60; round++) {
        setup_ends(NULL);
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

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        ENDS_TEST(test_stream_close_flushes),
        ENDS_TEST(test_stream_refused),
        ENDS_TEST(test_stream_no_answer),
        ENDS_TEST(test_stream_peer_dies),
        ENDS_TEST(test_stream_abort_resets_the_peer),
        ENDS_TEST(test_stream_abort_in_callback),
        ENDS_TEST(test_stream_close_another_in_callback),
        ENDS_TEST(test_stream_close_while_connecting),
        ENDS_TEST(test_stream_accept_may_abort),
        ENDS_TEST(test_stream_all_slots_in_use),
        ENDS_TEST(test_stream_connect_to_self_or_nowhere),
        ENDS_TEST(test_stream_close_gives_up_on_a_stuck_peer),
        ENDS_TEST(test_stream_survives_hostile_packets),
    };
    wire_start();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
