/* SPDX-License-Identifier: MIT */
/* testserv.h - a TCP service for measuring the network: each connection says with its first octet what it
 * wants. 'd': discard what comes. 'e': send it back. 's': send zeros as fast as they go. 'D': discard; at end
 * of file answer with the octet count as 8 octets, low first. Off unless started. */
#ifndef NET_TESTSERV_H
#define NET_TESTSERV_H

#include "kernel/result.h"

result_t testserv_start(uint16_t port) MUST_CHECK;
void testserv_stop(uint16_t port);

#endif
