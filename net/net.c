/* SPDX-License-Identifier: MIT */
#include "net/net.h"

#include <stdio.h>
#include <string.h>

#include "kernel/frames.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "net/lwip_err.h"

#include "lwip/dhcp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/timeouts.h"
#include "net/addr.h"
#include "net/gro.h"
#include "net/netif_nic.h"
#include "net/port.h"
#include "net/stream_poll.h"
#include "net/wire.h"

#define HEAP_ORDER FRAMES_MAX_ORDER /* 2 MiB */
#define RX_BUDGET                                                                                            \
    256u /* frames per net_poll: line rate even when a guest runs for a millisecond in between */
#define LINK_CHECK_MS 500u

static struct nic *nic;
static struct netif interface;
static bool with_dhcp;
static char hostname[NET_NAME_LEN];

static uint32_t ipv4_of(const ip4_addr_t *addr) {
    return lwip_ntohl(ip4_addr_get_u32(addr));
}

static ip4_addr_t lwip_ipv4(uint32_t ipv4) {
    return (ip4_addr_t){lwip_htonl(ipv4)};
}

static unsigned prefix_of(uint32_t mask) {
    return mask == 0 ? 0 : 32u - (unsigned)__builtin_ctz(mask);
}

static void address_changed(struct netif *netif) {
    static uint32_t told;
    uint32_t ipv4 = ipv4_of(netif_ip4_addr(netif));
    if (ipv4 == told)
        return;
    told = ipv4;
    if (ipv4 == 0) {
        log_warn("net: the address is gone");
        return;
    }
    char text[NET_ADDR_TEXT_LEN], gateway[NET_ADDR_TEXT_LEN];
    log_info("net: address %s/%u (%s), gateway %s", net_ipv4_format(ipv4, text),
             prefix_of(ipv4_of(netif_ip4_netmask(netif))), with_dhcp ? "DHCP" : "static",
             net_ipv4_format(ipv4_of(netif_ip4_gw(netif)), gateway));
}

static void link_check(void *arg) {
    (void)arg;
    struct nic_link link = nic_link(nic);
    if (link.up && !netif_is_link_up(&interface)) {
        log_info("net: link up, %u Mbit/s %s duplex", link.mbits, link.full_duplex ? "full" : "half");
        netif_set_link_up(&interface);
    } else if (!link.up && netif_is_link_up(&interface)) {
        log_warn("net: link down");
        netif_set_link_down(&interface);
    }
    sys_timeout(LINK_CHECK_MS, link_check, NULL);
}

static result_t check_config(const struct net_config *config, struct reason *why) {
    uint32_t top = config->ipv4 >> 24;
    if (config->dhcp)
        return OK;
    if (config->prefix == 0 || config->prefix > 30 || top == 0 || top == 127 || top >= 224)
        return reason_set(why, ERR_INVAL,
                          "[net] address is not usable for a host; expected like 10.0.0.1/24");
    return OK;
}

static result_t start_lwip(const struct net_config *config, struct reason *why) {
    hpa_t heap = frames_alloc(HEAP_ORDER);
    if (heap == 0)
        return reason_set(why, ERR_NOMEM, "no memory for the network stack (2 MiB)");
    net_port_init((struct siphash_key){config->entropy[0], config->entropy[1]}, phys_to_virt(heap),
                  PAGE_SIZE << HEAP_ORDER);
    lwip_init();
    result_t r = netif_nic_add(&interface, nic);
    if (r != OK)
        return reason_set(why, r, "no memory for the network interface");
    return OK;
}

static void start_ipv6(struct netif *netif) {
    netif_create_ip6_linklocal_address(netif, 1);
    netif_set_ip6_autoconfig_enabled(netif, 1);
}

static result_t start_interface(const struct net_config *config, struct reason *why) {
    snprintf(hostname, sizeof hostname, "%s", config->hostname);
    netif_set_hostname(&interface, hostname);
    netif_set_status_callback(&interface, address_changed);
    netif_set_default(&interface);
    with_dhcp = config->dhcp;
    start_ipv6(&interface);
    netif_set_up(&interface);
    if (config->dhcp) {
        if (dhcp_start(&interface) != ERR_OK)
            return reason_set(why, ERR_NOMEM, "DHCP cannot start");
    } else {
        ip4_addr_t ipv4 = lwip_ipv4(config->ipv4), gateway = lwip_ipv4(config->gateway);
        ip4_addr_t mask = lwip_ipv4(UINT32_MAX << (32 - config->prefix));
        netif_set_addr(&interface, &ipv4, &mask, &gateway);
    }
    link_check(NULL);
    nic_flush(nic);
    return OK;
}

result_t net_init(const struct net_config *config, struct reason *why) {
    static const uint8_t no_mac[NIC_MAC_LEN];
    struct nic *card = NULL;
    result_t r = check_config(config, why);
    if (r != OK)
        return r;
    r = nic_open(config->nic, &card, why);
    if (r != OK)
        return r;
    if (memcmp(config->mac, no_mac, NIC_MAC_LEN) != 0)
        nic_set_mac(card, config->mac);
    nic = card;
    r = start_lwip(config, why);
    if (r == OK)
        r = start_interface(config, why);
    if (r != OK) {
        nic_stop(nic);
        nic = NULL;
        return r;
    }
    log_info("net: %s %s, %02x:%02x:%02x:%02x:%02x:%02x", nic->driver, nic->where, nic->mac[0], nic->mac[1],
             nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5]);
    return OK;
}

bool net_poll(void) {
    if (nic == NULL)
        return false;
    unsigned frames = netif_nic_poll(RX_BUDGET);
    sys_check_timeouts();
    bool events = stream_poll(frames == 0);
    nic_flush(nic);
    return frames != 0 || events;
}

uint64_t net_next_timeout_ns(void) {
    if (nic == NULL)
        return UINT64_MAX;
    u32_t ms = sys_timeouts_sleeptime();
    return ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? UINT64_MAX : time_now_ns() + ms * NSEC_PER_MSEC;
}

bool net_idle_arm(void) {
    return nic == NULL || nic_arm(nic);
}

void net_idle_disarm(void) {
    if (nic != NULL)
        nic_disarm(nic);
}

bool net_is_ready(void) {
    return nic != NULL && netif_is_link_up(&interface) && !ip4_addr_isany_val(*netif_ip4_addr(&interface));
}

void net_info(struct net_info *out) {
    *out = (struct net_info){.dhcp = NET_DHCP_OFF, .irq_line = UINT8_MAX};
    if (nic == NULL)
        return;
    const struct netif_counters *c = netif_nic_counters();
    const struct slab *heap = net_port_slab();
    snprintf(out->card, sizeof out->card, "%s %s", nic->driver, nic->where);
    memcpy(out->mac, nic->mac, NIC_MAC_LEN);
    out->ipv4 = ipv4_of(netif_ip4_addr(&interface));
    out->mask = ipv4_of(netif_ip4_netmask(&interface));
    out->gateway = ipv4_of(netif_ip4_gw(&interface));
    if (with_dhcp)
        out->dhcp = dhcp_supplied_address(&interface) ? NET_DHCP_BOUND : NET_DHCP_ASKING;
    out->link = nic_link(nic);
    out->card_stats = nic->stats;
    out->rx_kept = c->rx_kept;
    out->rx_merged = gro_merged();
    out->rx_copied = c->rx_copied;
    out->rx_dropped = c->rx_dropped;
    out->tx_copied = c->tx_copied;
    out->tx_dropped = c->tx_dropped;
    out->tx_cut = c->tx_cut;
    out->heap_used = heap->used;
    out->heap_peak = heap->peak;
    out->heap_failures = heap->failures;
    out->nr_streams = stream_count();
    out->irq_line = nic->irq_line;
}

void net_stop(void) {
    if (nic != NULL)
        nic_stop(nic);
}
