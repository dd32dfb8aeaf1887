/* SPDX-License-Identifier: MIT */
/* One end of a message stream with buffers in both directions: see link.c. */
#ifndef WIRE_LINK_H
#define WIRE_LINK_H

#include "wire_proto.h"

#include <stdbool.h>
#include <stddef.h>

struct link_buffer {
    uint8_t *bytes;
    size_t begin, end, capacity;    /* content is [begin, end) */
};

struct link {
    int fd;                         /* -1: closed */
    struct link_buffer in, out;
};

/* link_put - append one message to the output buffer; nothing is sent before link_flush(). */
void link_put(struct link *link, enum wire_type type, uint64_t value, const void *payload, size_t len);

/* link_flush - send the output buffer: all of it on a blocking socket, what fits on a non-blocking one.
 * Returns false when the peer is gone. */
bool link_flush(struct link *link);

/* link_fill - receive once. Returns false when the peer is gone (not when nothing is there). */
bool link_fill(struct link *link);

/* link_take - next complete message. Returns false when there is none yet.
 * The payload stays valid until the next link_fill(). An over-long message ends it: link_is_broken(). */
bool link_take(struct link *link, struct wire_head *head, const uint8_t **payload);

/* link_is_broken - does the input start with a head that no sender would write? */
bool link_is_broken(const struct link *link);

/* link_close - close the socket and free the buffers. */
void link_close(struct link *link);

#endif
