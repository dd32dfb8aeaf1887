/* SPDX-License-Identifier: MIT */
/* net.h - Godwit's own network presence: one card, one interface, lwIP.
 * - net_init: open the card and start the interface. net_poll: the only place where anything happens
 * afterwards.
 * - net_next_timeout_ns, net_idle_arm, net_idle_disarm: how long the CPU may halt, and what wakes it.
 * - net_info: what `net` shows. net_ping: echo requests.
 * Context: CPU 0's loop. */
#ifndef NET_NET_H
#define NET_NET_H

#include "drivers/nic.h"
#include "net/stream.h"

#define NET_NAME_LEN 32

struct net_config {
    bool dhcp;
    uint32_t ipv4; /* host byte order; without dhcp */
    uint8_t prefix;
    uint32_t gateway;         /* 0: none */
    uint8_t mac[NIC_MAC_LEN]; /* all zero: the card's own */
    unsigned nic;             /* which supported card, counted from 0 */
    char hostname[NET_NAME_LEN];
    uint64_t entropy[2]; /* secret, fresh at each boot: sequence numbers and ports depend on it */
};

enum net_dhcp { NET_DHCP_OFF = 1, NET_DHCP_ASKING, NET_DHCP_BOUND };

struct net_info {
    char card[NET_NAME_LEN]; /* "e1000 00:02.0", or "" without a card */
    uint8_t mac[NIC_MAC_LEN];
    uint32_t ipv4, mask, gateway; /* 0: none (yet) */
    enum net_dhcp dhcp;
    struct nic_link link;
    struct nic_stats card_stats;
    uint64_t rx_kept, rx_copied, rx_dropped, rx_merged, tx_copied, tx_dropped, tx_cut;
    size_t heap_used, heap_peak;
    uint64_t heap_failures;
    unsigned nr_streams;
    uint8_t irq_line;
};

/* net_init - pci_scan and time came before. Without a card everything else still works and does nothing.
 * Errors: ERR_NODEV, ERR_NOMEM, ERR_IO, ERR_INVAL (address); why says it. */
result_t net_init(const struct net_config *config, struct reason *why) MUST_CHECK;
/* net_poll - take frames from the card, run timers, deliver stream events, send. Bounded work.
 * Returns true when something happened: poll again before halting. */
bool net_poll(void);
/* net_next_timeout_ns - when net_poll must be called at the latest, on time_now_ns's axis; UINT64_MAX: never.
 */
uint64_t net_next_timeout_ns(void);
/* net_idle_arm - let the card interrupt; false: work is waiting, do not halt. net_idle_disarm: after waking,
 * or from the interrupt handler of net_info's irq_line. */
bool net_idle_arm(void);
void net_idle_disarm(void);
/* net_is_ready - there is an address and a link. */
bool net_is_ready(void);
void net_info(struct net_info *out);
/* net_stop - silence the card before a reboot. */
void net_stop(void);

struct net_ping {
    uint32_t ipv4;
    unsigned sent, received;
    unsigned sequence; /* the one this report is about, from 1 */
    bool answered;     /* false: no answer in time */
    bool last;         /* no more reports follow */
    uint64_t rtt_ns;
};

typedef void (*net_ping_fn)(void *ctx, const struct net_ping *ping);

/* net_ping - `count` echo requests, one per second; fn is called for each. One series at a time.
 * Errors: ERR_BUSY (one runs), ERR_LINK (no address yet), ERR_NOMEM. net_ping_stop ends it without a further
 * call. */
result_t net_ping(uint32_t ipv4, unsigned count, net_ping_fn fn, void *ctx, struct reason *why) MUST_CHECK;
void net_ping_stop(void);

#endif
