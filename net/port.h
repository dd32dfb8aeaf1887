/* SPDX-License-Identifier: MIT */
/* port.h - what lwIP needs from Godwit: time, random numbers, memory, sequence numbers. The functions
 * themselves are declared where lwIP sees them (net/arch/cc.h, net/arch/hooks.h). */
#ifndef NET_PORT_H
#define NET_PORT_H

#include "net/siphash.h"
#include "net/slab.h"

/* net_port_init - key: secret and different at each boot. memory: 16-aligned, in the direct map. Before
 * lwip_init. */
void net_port_init(struct siphash_key key, void *memory, size_t len);
/* net_port_slab - lwIP's heap, for `net` and `mem`. */
const struct slab *net_port_slab(void);
/* net_port_shed - receive memory has run out: throw away what one connection received out of order (its peer
 * sends it again). Without this, retransmissions would find no memory either. Returns false when there is
 * nothing to throw away. */
bool net_port_shed(void);

#endif
