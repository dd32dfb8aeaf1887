/* SPDX-License-Identifier: MIT */
/* Messages between the wire process (wired), the emulators (preload.so) and the test host (lib/wire.py).
 *
 * A stream socket carries messages: a 16-byte head in host byte order, then `len` bytes of payload.
 * Time advances in polls of a fixed period. One round:
 *
 *   machine  -> wired    FRAME*, SERIAL*, TICK         what happened in the interval that ends now
 *   wired               (all machines ticked: the switch moves frames up to this poll)
 *   wired    -> host     JOIN*, LEAVE*, FRAME*, SERIAL*, TURN      if there is something, or the time is up
 *   host     -> wired    FRAME*, SERIAL*, FAULT*, GO               time stands still until GO
 *   wired    -> machine  FRAME*, SERIAL*, RELEASE      the next interval begins
 *
 * Mirrored in lib/wire.py; keep both in step.
 */
#ifndef WIRE_PROTO_H
#define WIRE_PROTO_H

#include <assert.h>
#include <stdint.h>

#define WIRE_FRAME_MAX 16384u       /* bytes of one Ethernet frame without FCS */
#define WIRE_PAYLOAD_MAX 65536u     /* bytes of any payload */
#define WIRE_PORTS_MAX 16u
#define WIRE_MACHINES_MAX 16u
#define WIRE_UNITS_MAX 4u           /* serial ports of one machine */

enum wire_type {
    WIRE_HELLO_MACHINE = 1,         /* to wired: value = machine number */
    WIRE_HELLO_HOST = 2,            /* to wired */
    WIRE_WELCOME = 3,               /* from wired: value = poll period in microseconds */
    WIRE_PORT = 4,                  /* to wired: value = port that the sender owns from now on */
    WIRE_FRAME = 5,                 /* value = port << 48 | ns since the last poll; payload = frame */
    WIRE_SERIAL = 6,                /* value = machine << 16 | unit; payload = bytes */
    WIRE_TICK = 7,                  /* to wired: value = the machine's own poll number */
    WIRE_RELEASE = 8,               /* from wired: value = the wire's poll number */
    WIRE_JOIN = 9,                  /* to the host: value = machine */
    WIRE_LEAVE = 10,                /* to the host: value = machine */
    WIRE_TURN = 11,                 /* to the host: value = poll; nothing moves until GO */
    WIRE_GO = 12,                   /* from the host: value = poll at which it wants its turn in any case */
    WIRE_FAULT = 13,                /* from the host: payload = text of one more fault rule */
    WIRE_SAVE = 14,                 /* host to machine: value = machine; payload = folder for a snapshot */
};

struct wire_head {
    uint32_t type;                  /*  0 enum wire_type */
    uint32_t len;                   /*  4 bytes of payload */
    uint64_t value;                 /*  8 depends on type */
};

static_assert(sizeof(struct wire_head) == 16, "wire head");

#define WIRE_PORT_SHIFT 48
#define WIRE_OFFSET_MASK ((UINT64_C(1) << WIRE_PORT_SHIFT) - 1)

#endif
