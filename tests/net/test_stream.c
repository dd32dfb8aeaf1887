/* SPDX-License-Identifier: MIT */
/* test_stream.c - octets over net/stream.h and the real lwIP, on a wire with faults. */
#include "net/stream_poll.h"
#include "tests/net/ends.h"
#include "tests/net/wire_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PULL_MAX (64u * 1024u)

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
        check_octets(&server, data, 30000); /* leaves a rest in the buffer, which has to be moved */
        data = stream_pullup(server.s, 1);
        assert_non_null(data);
        assert_int_equal(data[0], octet_at(server.received));
    }
    stream_consume(server.s, SIZE_MAX); /* more than there is: all of it */
    assert_int_equal(stream_available(server.s), 0);
    assert_null(stream_pullup(server.s, 1));
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        ENDS_TEST(test_stream_small_exchange),
        ENDS_TEST(test_stream_bulk_both_ways),
        ENDS_TEST(test_stream_bulk_without_cutting),
        ENDS_TEST(test_stream_bulk_with_loss),
        ENDS_TEST(test_stream_bulk_with_everything),
        ENDS_TEST(test_stream_bulk_with_damage),
        ENDS_TEST(test_stream_bulk_loss_without_cutting),
        ENDS_TEST(test_stream_write_is_all_or_nothing),
        ENDS_TEST(test_stream_slow_reader),
        ENDS_TEST(test_stream_pullup_limits),
    };
    wire_start();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
