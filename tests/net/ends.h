/* SPDX-License-Identifier: MIT */
/* ends.h - the two ends of a connection for the tests of net/stream.h: they send a known pattern in random
 * pieces, read it in random ways, and note every event.
 * - setup_ends, teardown_ends: around each test; afterwards neither slots nor memory may be left.
 * - connect_both: server listens on PORT, client connects. transfer: both ways, to the end, without a
 * failure.
 * - send_more: write until to_send or until the ring is full. read_all: everything that is there. */
#ifndef TESTS_NET_ENDS_H
#define TESTS_NET_ENDS_H

#include "net/stream.h"

#define PORT 7000

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

extern struct end client, server;
extern unsigned nr_accepted;
extern bool content_may_differ; /* somebody forges packets */

uint8_t octet_at(uint64_t position);
void send_more(struct end *e);
void check_octets(struct end *e, const uint8_t *data, size_t len);
void read_all(struct end *e);
void handle_event(void *ctx, struct stream *s, enum stream_event event, const struct reason *why);
void accept_server(void *ctx, struct stream *s, struct net_addr peer);
bool is_connected(void *ctx);
bool has_failed(void *ctx);
bool has_all(void *ctx);
bool is_acked(void *ctx);
struct net_addr peer_addr(void);
void connect_both(void);
void close_both(void);
int setup_ends(void **state);
int teardown_ends(void **state);
void transfer(uint64_t forth, uint64_t back);

#define ENDS_TEST(name) cmocka_unit_test_setup_teardown(name, setup_ends, teardown_ends)

#endif
