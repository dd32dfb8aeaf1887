/* SPDX-License-Identifier: MIT */
/* netif_nic.h - lwIP's network interface over a struct nic, without copies where they can be avoided.
 * - in: frames stay in the driver's buffers until lwIP frees them; they are copied only when spare buffers
 * run out.
 * - out: the card reads the pbufs themselves; TCP checksums, and the cutting of long TCP/IPv4 segments, are
 * the card's. Included inside net/ only (lwIP types). Context: CPU 0's loop. */
#ifndef NET_NETIF_NIC_H
#define NET_NETIF_NIC_H

#include "drivers/nic.h"
#include "net/lwip_err.h"

#include "lwip/netif.h"

struct netif_counters {
    uint64_t rx_kept, rx_copied, rx_dropped; /* frames */
    uint64_t tx_copied, tx_dropped, tx_cut;  /* frames; tx_cut: handed to the card to be cut up */
};

/* netif_nic_add - register nic as lwIP's interface, down. Errors: ERR_NOMEM. */
result_t netif_nic_add(struct netif *netif, struct nic *nic) MUST_CHECK;
/* netif_nic_poll - hand at most `budget` frames to lwIP; returns how many frames came in or were finished
 * sending. */
unsigned netif_nic_poll(unsigned budget);
const struct netif_counters *netif_nic_counters(void);

#endif
