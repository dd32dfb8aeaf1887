/* SPDX-License-Identifier: MIT */
#include "net/gro.h"

#include <string.h>

#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/tcp.h"
#include "net/checksum.h"

#define HEADERS (SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN)
#define MERGE_MAX 40000u /* octets; one acknowledgement for each */
#define FLAGS_CARED (TCP_FIN | TCP_SYN | TCP_RST | TCP_URG | TCP_ACK | TCP_ECE | TCP_CWR)

/* The three headers of a segment without options. */
struct headers {
    struct eth_hdr eth;
    struct ip_hdr ip;
    struct tcp_hdr tcp;
} PACKED;
_Static_assert(sizeof(struct headers) == HEADERS, "the layout on the wire");

static struct {
    struct pbuf *head, *tail; /* head: NULL when nothing is held */
    uint32_t next_seq;        /* host order */
    uint32_t len;             /* payload octets */
} held;
static uint64_t nr_merged;

uint64_t gro_merged(void) {
    return nr_merged;
}

static void pass(struct netif *netif, struct pbuf *p) {
    if (netif->input(p, netif) != ERR_OK)
        pbuf_free(p);
}

/* Payload octets of a plain data segment, or 0 for any other frame. */
static uint32_t data_len(const struct pbuf *p) {
    const struct headers *h = p->payload;
    if (p->len <= HEADERS || h->eth.type != PP_HTONS(ETHTYPE_IP) || h->ip._v_hl != 0x45 ||
        IPH_PROTO(&h->ip) != IP_PROTO_TCP || (IPH_OFFSET(&h->ip) & PP_HTONS(IP_OFFMASK | IP_MF)) != 0 ||
        TCPH_HDRLEN_BYTES(&h->tcp) != TCP_HLEN || (TCPH_FLAGS(&h->tcp) & FLAGS_CARED) != TCP_ACK)
        return 0;
    uint32_t ip_len = lwip_ntohs(IPH_LEN(&h->ip));
    if (ip_len <= IP_HLEN + TCP_HLEN || ip_len + SIZEOF_ETH_HDR > p->len)
        return 0;
    return ip_len - IP_HLEN - TCP_HLEN;
}

static bool checksums_match(const struct headers *h, uint32_t len) {
    uint32_t word[IP_HLEN / sizeof(uint32_t)];
    memcpy(word, &h->ip, sizeof word);
    uint64_t addresses = (uint64_t)word[3] + word[4];
    uint64_t pseudo = addresses + lwip_htons(IP_PROTO_TCP) + lwip_htons((u16_t)(TCP_HLEN + len));
    return checksum_fold(addresses + word[0] + word[1] + word[2]) == 0xffff &&
           checksum_sum(pseudo, &h->tcp, TCP_HLEN + len) == 0xffff;
}

/* Is this exactly what an established connection waits for? */
static bool is_expected(const struct headers *h) {
    u16_t local = lwip_ntohs(h->tcp.dest), remote = lwip_ntohs(h->tcp.src);
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if (pcb->local_port == local && pcb->remote_port == remote && IP_IS_V4_VAL(pcb->remote_ip) &&
            ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip)) == h->ip.src.addr &&
            ip4_addr_get_u32(ip_2_ip4(&pcb->local_ip)) == h->ip.dest.addr)
            return pcb->state == ESTABLISHED && pcb->ooseq == NULL &&
                   pcb->rcv_nxt == lwip_ntohl(h->tcp.seqno);
    }
    return false;
}

static bool continues(const struct headers *h, uint32_t len) {
    const struct headers *first = held.head->payload;
    return h->ip.src.addr == first->ip.src.addr && h->ip.dest.addr == first->ip.dest.addr &&
           h->tcp.src == first->tcp.src && h->tcp.dest == first->tcp.dest &&
           IPH_TOS(&h->ip) == IPH_TOS(&first->ip) && lwip_ntohl(h->tcp.seqno) == held.next_seq &&
           held.len + len <= MERGE_MAX;
}

static void start(struct pbuf *p, uint32_t len) {
    const struct headers *h = p->payload;
    p->len = p->tot_len = (u16_t)(HEADERS + len); /* without Ethernet's padding */
    held.head = held.tail = p;
    held.len = len;
    held.next_seq = lwip_ntohl(h->tcp.seqno) + len;
}

static void append(struct pbuf *p, uint32_t len) {
    struct headers *first = held.head->payload;
    const struct headers *h = p->payload;
    first->tcp.ackno = h->tcp.ackno; /* the sender's latest word counts */
    first->tcp.wnd = h->tcp.wnd;
    TCPH_SET_FLAG(&first->tcp, TCPH_FLAGS(&h->tcp) & TCP_PSH);
    p->payload = (u8_t *)p->payload + HEADERS;
    p->len = (u16_t)len;
    held.tail->next = p;
    held.tail = p;
    held.len += len;
    held.next_seq += len;
    nr_merged++;
}

void gro_flush(struct netif *netif) {
    struct pbuf *p = held.head;
    if (p == NULL)
        return;
    held.head = NULL;
    struct headers *h = p->payload;
    IPH_LEN_SET(&h->ip, lwip_htons((u16_t)(IP_HLEN + TCP_HLEN + held.len)));
    u16_t rest = (u16_t)(HEADERS + held.len);
    for (struct pbuf *q = p; q != NULL; q = q->next) {
        q->tot_len = rest;
        rest = (u16_t)(rest - q->len);
    }
    u16_t checks = netif->chksum_flags;
    NETIF_SET_CHECKSUM_CTRL(netif, checks & ~(NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_TCP));
    pass(netif, p);
    NETIF_SET_CHECKSUM_CTRL(netif, checks);
}

void gro_input(struct netif *netif, struct pbuf *frame) {
    const struct headers *h = frame->payload;
    uint32_t len = data_len(frame);
    if (len != 0 && held.head != NULL && continues(h, len) && checksums_match(h, len)) {
        append(frame, len);
        return;
    }
    gro_flush(netif);
    if (len != 0 && is_expected(h) && checksums_match(h, len))
        start(frame, len);
    else
        pass(netif, frame);
}
