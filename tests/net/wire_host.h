/* SPDX-License-Identifier: MIT */
/* wire_host.h - a wire, a clock and memory for running net/stream*.c over the real lwIP in one process.
 * The interface 10.0.0.1 talks to "10.0.0.2", which is itself: the wire swaps source and destination of every
 * packet, so each connection has both ends here. Packets can be lost, doubled, delayed and reordered; long
 * TCP segments are cut as a card with TSO does. Time moves only by wire_run. */
#ifndef TESTS_NET_WIRE_HOST_H
#define TESTS_NET_WIRE_HOST_H

#include "kernel/types.h"

#define WIRE_SELF 0x0a000001u
#define WIRE_PEER 0x0a000002u

struct wire_faults {
    unsigned loss_permille, double_permille, late_permille, damage_permille;
    bool dead;       /* nothing gets through */
    bool no_cutting; /* the card cannot do TSO */
};

extern struct wire_faults wire_faults;

/* wire_start - once per process. wire_run - let ms milliseconds pass, or less when done(ctx) says so; returns
 * done. */
void wire_start(void);
bool wire_run(unsigned ms, bool (*done)(void *ctx), void *ctx);
/* wire_settle - until every lingering connection of lwIP is gone. */
void wire_settle(void);
/* What is still allocated: runs from frames_alloc, octets of lwIP's heap, pbufs under way. */
unsigned wire_frames_out(void);
size_t wire_heap_used(void);
uint64_t wire_packets(void);
/* wire_inject - an IPv4 packet arrives now; header and TCP checksums are made right. len: 20 to 1500. */
void wire_inject(uint8_t *packet, uint16_t len);
/* wire_sample - copy the latest packet of the wire with at least one octet of TCP payload; returns its
 * length. */
uint16_t wire_sample(uint8_t packet[1500]);

#endif
