/* SPDX-License-Identifier: MIT */
/* gro.h - receive merging: neighbouring full TCP/IPv4 segments of one connection become one long segment
 * before lwIP sees them, so that its cost per segment is paid once for many frames. Only what lwIP expects
 * next is merged: the first segment starts at its rcv_nxt and nothing waits out of order. After a loss each
 * frame goes up by itself, and each causes its duplicate acknowledgement.
 * - gro_input: a frame as it came from the card; takes the pbuf. gro_flush: nothing more comes for now.
 * Checksums of merged segments are verified here; everything else is verified by lwIP.
 * Included inside net/ only. Context: CPU 0's loop. */
#ifndef NET_GRO_H
#define NET_GRO_H

#include "net/lwip_err.h"

#include "lwip/netif.h"

/* gro_input - frame: a whole Ethernet frame in one buffer, with reference count 1. */
void gro_input(struct netif *netif, struct pbuf *frame);
void gro_flush(struct netif *netif);
uint64_t gro_merged(void); /* frames that were appended to another one */

#endif
