/* SPDX-License-Identifier: MIT */
#include "tests/net/wire_host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/frames.h"
#include "kernel/panic.h"
#include "kernel/time.h"
#include "net/checksum.h"
#include "net/gro.h"
#include "net/port.h"
#include "net/stream_poll.h"
#include "net/wire.h"

#include "net/lwip_err.h"

#include "lwip/init.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/tcp.h"
#include "lwip/timeouts.h"

#define STEP_NS (100 * NSEC_PER_USEC)
#define DELAY_NS (200 * NSEC_PER_USEC)
#define LATE_NS (3 * NSEC_PER_MSEC)
#define HEAP_BYTES (2 * MIB)
#define CUT_PACKETS 8u

struct packet {
    struct packet *next;
    uint64_t due_ns;
    uint16_t len;
    uint8_t data[];
};

struct wire_faults wire_faults;
static struct netif interface;
static struct packet *queue;
static uint64_t now_ns = 5 * NSEC_PER_SEC;
static unsigned frames_out;
static uint64_t packets;
static uint8_t sample[NET_MTU];
static uint16_t sample_len;

uint64_t time_now_ns(void) {
    return now_ns;
}

void panic(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    abort();
}

hpa_t frames_alloc(unsigned order) {
    frames_out++;
    void *p = calloc(1, PAGE_SIZE << order);
    return p == NULL ? 0 : virt_to_phys(p);
}

void frames_free(hpa_t pa, unsigned order) {
    (void)order;
    frames_out--;
    free(phys_to_virt(pa));
}

void wire_flush(void) {
}

uint64_t wire_mark(void) {
    return 0;
}

bool wire_passed(uint64_t mark) {
    (void)mark;
    return true;
}

uint16_t wire_segment(uint16_t mss) {
    return (uint16_t)(wire_faults.no_cutting ? mss : mss * CUT_PACKETS);
}

static bool chance(unsigned permille) {
    return (unsigned)rand() % 1000 < permille;
}

static void put(const uint8_t *data, uint16_t len) {
    packets++;
    if (len > IP_HLEN + TCP_HLEN) {
        memcpy(sample, data, len);
        sample_len = len;
    }
    if (wire_faults.dead || chance(wire_faults.loss_permille))
        return;
    for (int copies = chance(wire_faults.double_permille) ? 2 : 1; copies != 0; copies--) {
        uint16_t frame_len = MAX(SIZEOF_ETH_HDR + len, 60);
        struct packet *p = calloc(1, sizeof *p + frame_len), **at = &queue;
        p->due_ns = now_ns + DELAY_NS + (chance(wire_faults.late_permille) ? LATE_NS : 0);
        p->len = frame_len;
        p->data[12] = 0x08; /* Ethernet: to everybody's zero address, IPv4 */
        memcpy(p->data + SIZEOF_ETH_HDR, data, len);
        if (chance(wire_faults.damage_permille))
            p->data[SIZEOF_ETH_HDR + (unsigned)rand() % len] ^= 0x10;
        while (*at != NULL && (*at)->due_ns <= p->due_ns)
            at = &(*at)->next;
        p->next = *at;
        *at = p;
    }
}

/* One TCP/IPv4 packet of the long segment in data: payload [from, from + len). */
static void put_part(const uint8_t *data, unsigned headers, unsigned from, unsigned len, bool last) {
    uint8_t part[NET_MTU];
    memcpy(part, data, headers);
    memcpy(part + headers, data + headers + from, len);
    struct ip_hdr *ip = (struct ip_hdr *)(void *)part;
    struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)(part + IP_HLEN);
    IPH_LEN_SET(ip, lwip_htons((u16_t)(headers + len)));
    tcp->seqno = lwip_htonl(lwip_ntohl(tcp->seqno) + from);
    if (!last)
        TCPH_UNSET_FLAG(tcp, TCP_PSH | TCP_FIN);
    IPH_CHKSUM_SET(ip, 0);
    IPH_CHKSUM_SET(ip, (u16_t)~checksum_sum(0, ip, IP_HLEN));
    tcp->chksum = 0;
    uint64_t pseudo = checksum_sum(0, &ip->src, 8);
    pseudo += lwip_htons(IP_PROTO_TCP) + lwip_htons((u16_t)(headers + len - IP_HLEN));
    tcp->chksum = (u16_t)~checksum_sum(pseudo, tcp, headers + len - IP_HLEN);
    put(part, (uint16_t)(headers + len));
}

static err_t output(struct netif *netif, struct pbuf *p, const ip4_addr_t *addr) {
    static uint8_t data[65536];
    (void)netif;
    (void)addr;
    uint16_t len = pbuf_copy_partial(p, data, p->tot_len, 0);
    struct ip_hdr *ip = (struct ip_hdr *)(void *)data;
    ip4_addr_p_t src = ip->src;
    ip->src = ip->dest;
    ip->dest = src;
    if (len <= NET_MTU) {
        put(data, len);
        return ERR_OK;
    }
    unsigned headers = IP_HLEN + TCPH_HDRLEN_BYTES((struct tcp_hdr *)(void *)(data + IP_HLEN));
    unsigned total = len - headers;
    for (unsigned from = 0; from < total; from += TCP_MSS)
        put_part(data, headers, from, MIN(total - from, TCP_MSS), from + TCP_MSS >= total);
    return ERR_OK;
}

/* ARP announcements: nobody needs them here. */
static err_t drop(struct netif *netif, struct pbuf *p) {
    (void)netif;
    (void)p;
    return ERR_OK;
}

static err_t setup(struct netif *netif) {
    netif->output = output;
    netif->linkoutput = drop;
    netif->mtu = 16000;
    netif->flags = NETIF_FLAG_LINK_UP | NETIF_FLAG_ETHERNET | NETIF_FLAG_ETHARP;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    return ERR_OK;
}

void wire_start(void) {
    ip4_addr_t addr = {lwip_htonl(WIRE_SELF)}, mask = {lwip_htonl(0xffffff00)}, none = {0};
    net_port_init((struct siphash_key){1, 2}, aligned_alloc(16, HEAP_BYTES), HEAP_BYTES);
    lwip_init();
    netif_add(&interface, &addr, &mask, &none, NULL, setup, netif_input);
    netif_set_default(&interface);
    netif_set_up(&interface);
}

static unsigned deliver(void) {
    unsigned n = 0;
    while (queue != NULL && queue->due_ns <= now_ns && n < 64) {
        struct packet *packet = queue;
        queue = packet->next;
        struct pbuf *p = pbuf_alloc(PBUF_RAW, packet->len, PBUF_RAM);
        if (p == NULL && net_port_shed())
            p = pbuf_alloc(PBUF_RAW, packet->len, PBUF_RAM);
        if (p != NULL) {
            memcpy(p->payload, packet->data, packet->len);
            gro_input(&interface, p);
        }
        free(packet);
        n++;
    }
    gro_flush(&interface);
    return n;
}

bool wire_run(unsigned ms, bool (*done)(void *ctx), void *ctx) {
    uint64_t end = now_ns + ms * NSEC_PER_MSEC;
    for (;;) {
        unsigned n = deliver();
        sys_check_timeouts();
        stream_poll(n == 0);
        if (done != NULL && done(ctx))
            return true;
        if (now_ns >= end)
            return false;
        now_ns +=
            STEP_NS; /* also when more is due: forged packets can make both ends answer each other for ever */
    }
}

static bool all_gone(void *ctx) {
    (void)ctx;
    return stream_count() == 0 && tcp_active_pcbs == NULL && tcp_tw_pcbs == NULL && queue == NULL;
}

void wire_settle(void) {
    wire_run(60000, all_gone, NULL);
}

unsigned wire_frames_out(void) {
    return frames_out;
}

size_t wire_heap_used(void) {
    return net_port_slab()->used;
}

uint16_t wire_sample(uint8_t packet[NET_MTU]) {
    memcpy(packet, sample, sample_len);
    return sample_len;
}

static uint16_t l4_offset(const uint8_t *packet, uint16_t len) {
    uint16_t header = (uint16_t)(4u * (packet[0] & 15u));
    return MIN(MAX(header, IP_HLEN), len);
}

void wire_inject(uint8_t *packet, uint16_t len) {
    struct ip_hdr *ip = (struct ip_hdr *)(void *)packet;
    uint16_t at = l4_offset(packet, len);
    IPH_CHKSUM_SET(ip, 0);
    IPH_CHKSUM_SET(ip, (u16_t)~checksum_sum(0, ip, at));
    if (IPH_PROTO(ip) == IP_PROTO_TCP && len >= at + TCP_HLEN) {
        struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)(packet + at);
        uint64_t pseudo = (uint64_t)checksum_sum(0, &ip->src, 8) + lwip_htons(IP_PROTO_TCP);
        pseudo += lwip_htons((u16_t)(len - at));
        tcp->chksum = 0;
        tcp->chksum = (u16_t)~checksum_sum(pseudo, tcp, len - at);
    }
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)(len + SIZEOF_ETH_HDR), PBUF_RAM);
    if (p == NULL)
        return;
    memset(p->payload, 0, SIZEOF_ETH_HDR);
    ((uint8_t *)p->payload)[12] = 0x08;
    memcpy((uint8_t *)p->payload + SIZEOF_ETH_HDR, packet, len);
    gro_input(&interface, p);
    if (rand() % 3 == 0)
        gro_flush(&interface);
}

uint64_t wire_packets(void) {
    return packets;
}
