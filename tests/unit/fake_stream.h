/* SPDX-License-Identifier: MIT */
/* fake_stream.h - net/stream.h between fake hosts, with faults, for hosted tests.
 * Host h has the address 10.0.0.(h + 1). Octets move only in fake_stream_poll: queued -> (link) -> received, at most
 * fake_link.rate octets per direction and call; until then they count as unacknowledged.
 * - fake_link: the fault switches. - fake_stream_capture: the octets of each direction of the newest
 * connection. */
#ifndef TESTS_UNIT_FAKE_STREAM_H
#define TESTS_UNIT_FAKE_STREAM_H

#include "net/stream.h"

struct fake_link {
    size_t rate;              /* octets per poll and direction */
    size_t piece;             /* longest run that stream_peek shows; 0: everything */
    size_t queue;             /* capacity of a send queue */
    bool refuse;              /* connection attempts fail */
    bool black_hole;          /* nothing arrives any more, nobody is told */
    bool cut;                 /* at the next poll every connection fails, once */
    uint64_t cut_after;       /* as cut, after this many octets in both directions; 0: never */
    uint64_t corrupt_at;      /* octet number (client to server) to flip; 0: never */
    uint64_t corrupt_back_at; /* the same, server to client */
    bool capture;
    uint64_t carried; /* octets so far, both directions */
};
extern struct fake_link fake_link;

void fake_stream_reset(void); /* closes everything, frees everything, default link */
/* fake_stream_poll - move octets and deliver events; true when anything happened. */
bool fake_stream_poll(void);
/* fake_stream_capture - what the newest connection's client (dir 0) or server (dir 1) sent and the other side
 * received. */
const uint8_t *fake_stream_capture(unsigned dir, size_t *len);
unsigned fake_stream_open_count(void);
/* fake_stream_forget - the connections of a host vanish, and their peers are never told. */
void fake_stream_forget(unsigned host);

/* A raw connection to a listening host, for hostile input: fake_raw_connect as host `from`. */
struct stream *fake_raw_connect(unsigned from, unsigned to, uint16_t port);

#endif
