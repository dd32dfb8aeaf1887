/* SPDX-License-Identifier: MIT */
/* A learning Ethernet switch with a full-duplex link per port, in emulated time. Pure: no clock, no socket.
 *
 *   station --(uplink: serialised at `rate`)--> switch --(downlink: queue, serialised, + delay)--> station
 *
 * A frame is at the switch when its last bit left the uplink; it is due at a port when its last bit left the
 * downlink, plus the propagation delay. The uplink queue models the transmit ring that an emulated card does
 * not have (it takes any number of frames at once); the downlink queue is limited and drops at its tail.
 */
#ifndef WIRE_SWITCH_H
#define WIRE_SWITCH_H

#include "fault.h"
#include "wire_proto.h"

#include <stdio.h>

struct frame {
    struct frame *next;
    uint64_t time_ns;               /* uplink: last bit at the switch; downlink: due at the station */
    unsigned from;
    size_t len;
    uint8_t bytes[];
};

struct frame_queue {
    struct frame *head;
    struct frame **tail;
};

/* Busiest window: how full the link was at most, in windows of SWITCH_WINDOW_NS. */
#define SWITCH_WINDOW_NS UINT64_C(10000000)

struct lane {
    struct frame_queue queue;
    uint64_t free_ns;               /* when the link is idle again */
    uint64_t frames, bytes;         /* accepted */
    uint64_t overflows;             /* frames dropped because the queue was full */
    uint64_t busy_ns;               /* total time on the link */
    uint64_t window, window_busy_ns, busiest_ns;
    uint64_t first_ns, last_ns;     /* first bit of the first, last bit of the last frame */
};

struct port {
    bool attached;
    struct lane up, down;
    uint64_t dropped, down_dropped, duplicated, corrupted, delayed, reordered;  /* on the way to this port */
    FILE *capture;                  /* both directions, as the station sees them; may be NULL */
};

struct mac_entry {
    uint8_t mac[6];
    bool used;
    unsigned port;
};

#define SWITCH_MACS 1024u

struct switch_fabric {
    uint64_t rate;                  /* bits per second; 0: unlimited */
    uint64_t delay_ns;
    uint64_t up_limit, down_limit;  /* bytes queued per link */
    struct port ports[WIRE_PORTS_MAX];
    struct mac_entry macs[SWITCH_MACS];
    struct fault_schedule faults;
    FILE *capture;                  /* every frame once, as it reaches the switch; may be NULL */
};

void switch_init(struct switch_fabric *fabric);
void switch_attach(struct switch_fabric *fabric, unsigned port);
void switch_detach(struct switch_fabric *fabric, unsigned port);

/* switch_send - a station starts to send a frame at time_ns; times of one port must not run backwards. */
void switch_send(struct switch_fabric *fabric, unsigned port, uint64_t time_ns, const uint8_t *bytes,
                 size_t len);

/* switch_run - forward all that is at the switch at until_ns or before, in order of time, then port. */
void switch_run(struct switch_fabric *fabric, uint64_t until_ns);

/* switch_take - next frame that is due for a port at now_ns or before; the caller frees it. NULL: none. */
struct frame *switch_take(struct switch_fabric *fabric, unsigned port, uint64_t now_ns);

/* switch_report - statistics of all ports as one JSON object. */
void switch_report(const struct switch_fabric *fabric, FILE *out, uint64_t polls, uint64_t period_us);

#endif
