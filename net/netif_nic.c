/* SPDX-License-Identifier: MIT */
#include "net/netif_nic.h"

#include <string.h>

#include "kernel/frames.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/ip4_frag.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"
#include "net/checksum.h"
#include "net/copy.h"
#include "net/gro.h"
#include "net/port.h"
#include "net/wire.h"

#define DIRECT_MAP_SPAN (1ull << 46) /* more than any RAM; the kernel's own image lies far above */
#define COPY_SMALL_BELOW 512u        /* octets; with few spare buffers, small frames are not worth one */
#define SPARE_LOW 256u
#define LONG_MTU 16000u /* what lwIP may hand down as one TCP segment, headers included */
#define TSO_PACKETS 8u  /* longer ones gain little and make loss dearer */
#define ETHERNET_MSS (TCP_MSS)

struct rx_pbuf {
    struct pbuf_custom custom; /* first */
    struct nic_buf *buf;
};

static struct nic *nic;
static struct netif *interface;
static struct rx_pbuf *rx_pbufs; /* one per receive buffer */
static struct netif_counters counters;
static uint64_t tx_queued, tx_finished;

const struct netif_counters *netif_nic_counters(void) {
    return &counters;
}

void wire_flush(void) {
    if (nic != NULL)
        nic_flush(nic);
}

uint64_t wire_mark(void) {
    return tx_queued;
}

bool wire_passed(uint64_t mark) {
    return tx_finished >= mark;
}

/* Only for peers that take full Ethernet packets, since the card cuts at that length. */
uint16_t wire_segment(uint16_t mss) {
    if (nic == NULL || (nic->features & NIC_CAN_TSO4) == 0 || mss != ETHERNET_MSS)
        return mss;
    return (uint16_t)(mss * TSO_PACKETS);
}
_Static_assert(TCP_MSS *TSO_PACKETS + 40 <= LONG_MTU, "a long segment passes lwIP's MTU check");
_Static_assert(LONG_MTU + NIC_HEADER_BYTES <= NIC_MAX_TSO_BYTES, "and the driver's");

static void rx_free(struct pbuf *p) {
    nic_release(nic, ((struct rx_pbuf *)(void *)p)->buf);
}

static struct pbuf *rx_wrap(struct nic_buf *buf) {
    struct rx_pbuf *rx = &rx_pbufs[buf->index];
    rx->buf = buf;
    rx->custom.custom_free_function = rx_free;
    return pbuf_alloced_custom(PBUF_RAW, (u16_t)buf->len, PBUF_REF, &rx->custom, buf->data, NIC_RX_BUF_BYTES);
}

static struct pbuf *rx_copy(const struct nic_buf *buf) {
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)buf->len, PBUF_RAM);
    if (p != NULL)
        net_copy(p->payload, buf->data, buf->len);
    return p;
}

static bool receive(void *ctx, struct nic_buf *buf) {
    (void)ctx;
    bool keep = nic->rx_spare > (buf->len < COPY_SMALL_BELOW ? SPARE_LOW : 0);
    struct pbuf *p = keep ? rx_wrap(buf) : rx_copy(buf);
    if (p == NULL && net_port_shed()) {
        keep = nic->rx_spare > 0;
        p = keep ? rx_wrap(buf) : rx_copy(buf);
    }
    if (p == NULL) {
        counters.rx_dropped++;
        return false;
    }
    if (keep)
        counters.rx_kept++;
    else
        counters.rx_copied++;
    gro_input(interface, p);
    return keep;
}

unsigned netif_nic_poll(unsigned budget) {
    unsigned n = nic_poll(nic, budget);
    gro_flush(interface);
    return n;
}

static void sent(void *ctx, void *cookie) {
    (void)ctx;
    tx_finished++;
    pbuf_free(cookie);
}

static uint64_t sum_octets(const void *data, size_t len) {
    return checksum_sum(0, data, len);
}

/* The checksum field of a TCP segment for the card to complete: the pseudo header's sum, not inverted. */
static void tcp_seed(struct tcp_hdr *tcp, uint64_t addresses, uint32_t len) {
    tcp->chksum = checksum_fold(addresses + lwip_htons(IP_PROTO_TCP) + lwip_htons((u16_t)len));
}

static void prepare_ipv4(struct pbuf *p, struct nic_frame *frame) {
    struct ip_hdr *ip = (struct ip_hdr *)(void *)((u8_t *)p->payload + SIZEOF_ETH_HDR);
    unsigned ip_len = IPH_HL_BYTES(ip);
    if (IPH_PROTO(ip) != IP_PROTO_TCP || p->len < SIZEOF_ETH_HDR + ip_len + TCP_HLEN ||
        (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)) != 0)
        return;
    struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)((u8_t *)ip + ip_len);
    frame->flags = NIC_TX_CSUM;
    frame->l3_start = SIZEOF_ETH_HDR;
    frame->csum_start = (uint16_t)(SIZEOF_ETH_HDR + ip_len);
    frame->csum_offset = offsetof(struct tcp_hdr, chksum);
    uint32_t tcp_len = (uint32_t)(p->tot_len - SIZEOF_ETH_HDR) - ip_len;
    if (p->tot_len > nic->mtu + SIZEOF_ETH_HDR) {
        frame->flags |= NIC_TX_TSO4;
        frame->mss = ETHERNET_MSS;
        frame->header_len = (uint16_t)(frame->csum_start + TCPH_HDRLEN_BYTES(tcp));
        IPH_LEN_SET(ip, 0);
        IPH_CHKSUM_SET(ip, 0);
        tcp_len = 0;
        counters.tx_cut++;
    }
    tcp_seed(tcp, sum_octets(&ip->src, 2 * sizeof ip->src), tcp_len);
}

static void prepare_ipv6(struct pbuf *p, struct nic_frame *frame) {
    struct ip6_hdr *ip = (struct ip6_hdr *)(void *)((u8_t *)p->payload + SIZEOF_ETH_HDR);
    if (IP6H_NEXTH(ip) != IP_PROTO_TCP || p->len < SIZEOF_ETH_HDR + IP6_HLEN + TCP_HLEN)
        return;
    struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)(ip + 1);
    frame->flags = NIC_TX_CSUM;
    frame->l3_start = SIZEOF_ETH_HDR;
    frame->csum_start = SIZEOF_ETH_HDR + IP6_HLEN;
    frame->csum_offset = offsetof(struct tcp_hdr, chksum);
    tcp_seed(tcp, sum_octets(&ip->src, sizeof ip->src + sizeof ip->dest),
             (uint32_t)(p->tot_len - SIZEOF_ETH_HDR - IP6_HLEN));
}

/* Which work is left to the card; must match the NETIF_CHECKSUM_GEN flags that netif_init clears. */
static void prepare(struct pbuf *p, struct nic_frame *frame) {
    const struct eth_hdr *eth = p->payload;
    if ((nic->features & NIC_CAN_CSUM) == 0)
        return;
    if (eth->type == PP_HTONS(ETHTYPE_IP) && p->len >= SIZEOF_ETH_HDR + IP_HLEN)
        prepare_ipv4(p, frame);
    else if (eth->type == PP_HTONS(ETHTYPE_IPV6) && p->len >= SIZEOF_ETH_HDR + IP6_HLEN)
        prepare_ipv6(p, frame);
}

/* Returns the number of segments, or 0 when the card cannot read p as it is. */
static unsigned gather(const struct pbuf *p, struct nic_seg *segs) {
    unsigned n = 0;
    for (; p != NULL; p = p->next) {
        if (p->len == 0)
            continue;
        if (n == NIC_MAX_SEGS || (uint64_t)(uintptr_t)p->payload - DIRECT_MAP_BASE >= DIRECT_MAP_SPAN)
            return 0;
        segs[n++] = (struct nic_seg){virt_to_phys(p->payload), p->len};
    }
    return n;
}

static err_t transmit(struct netif *netif, struct pbuf *p) {
    (void)netif;
    struct nic_seg segs[NIC_MAX_SEGS];
    struct nic_frame frame = {.segs = segs};
    prepare(p, &frame);
    if (p->tot_len > nic->mtu + SIZEOF_ETH_HDR && (frame.flags & NIC_TX_TSO4) == 0) {
        counters.tx_dropped++;
        return ERR_IF;
    }
    frame.nr_segs = gather(p, segs);
    if (frame.nr_segs == 0) {
        p = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
        if (p == NULL)
            return ERR_MEM;
        counters.tx_copied++;
        frame.nr_segs = gather(p, segs);
    } else {
        pbuf_ref(p);
    }
    frame.cookie = p;
    tx_queued++; /* before nic_send: a frame may be finished when it returns */
    if (nic_send(nic, &frame) != OK) {
        tx_queued--;
        pbuf_free(p);
        counters.tx_dropped++;
        return ERR_MEM;
    }
    return ERR_OK;
}

/* lwIP believes in LONG_MTU, so that long TCP segments come through; everything else is fragmented here. */
static err_t output_ipv4(struct netif *netif, struct pbuf *p, const ip4_addr_t *addr) {
    const struct ip_hdr *ip = p->payload;
    if (p->tot_len <= nic->mtu || (IPH_PROTO(ip) == IP_PROTO_TCP && (nic->features & NIC_CAN_TSO4)))
        return etharp_output(netif, p, addr);
    netif->mtu = nic->mtu;
    err_t err = ip4_frag(p, netif, addr);
    netif->mtu = LONG_MTU;
    return err;
}

static err_t setup(struct netif *netif) {
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->output = output_ipv4;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = transmit;
    netif->hwaddr_len = NIC_MAC_LEN;
    memcpy(netif->hwaddr, nic->mac, NIC_MAC_LEN);
    netif->mtu = nic->features & NIC_CAN_TSO4 ? LONG_MTU : nic->mtu;
    netif->mtu6 = nic->mtu;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
    if (nic->features & NIC_CAN_CSUM)
        NETIF_SET_CHECKSUM_CTRL(netif, NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_GEN_TCP);
    return ERR_OK;
}

static unsigned order_of(size_t len) {
    unsigned order = 0;
    while ((PAGE_SIZE << order) < len)
        order++;
    return order;
}

result_t netif_nic_add(struct netif *netif, struct nic *card) {
    hpa_t pa = frames_alloc(order_of(card->nr_rx_bufs * sizeof *rx_pbufs));
    if (pa == 0)
        return fail(ERR_NOMEM);
    rx_pbufs = phys_to_virt(pa);
    nic = card;
    interface = netif;
    if (netif_add_noaddr(netif, NULL, setup, netif_input) == NULL)
        return fail(ERR_NOMEM);
    nic->rx = receive;
    nic->tx_done = sent;
    return OK;
}
