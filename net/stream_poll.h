/* SPDX-License-Identifier: MIT */
/* stream_poll.h - the part of net/stream.c that only net_poll calls. */
#ifndef NET_STREAM_POLL_H
#define NET_STREAM_POLL_H

#include "kernel/types.h"

/* stream_poll - deliver events, send what was written, give windows back. idle: no frame came in just now, so
 * whatever acknowledgements were put off are due. Returns true when a callback ran. */
bool stream_poll(bool idle);
unsigned stream_count(void);

#endif
