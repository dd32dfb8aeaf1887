/* SPDX-License-Identifier: MIT */
/* ping.c - net_ping of net/net.h: ICMP echo requests, one per second, each answered or given up before the
 * next. Source: RFC 792, "Echo or Echo Reply Message". */
#include "net/net.h"

#include <string.h>

#include "kernel/time.h"
#include "net/lwip_err.h"

#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/prot/ip4.h"
#include "lwip/raw.h"
#include "lwip/timeouts.h"
#include "net/arch/cc.h"

#define INTERVAL_MS 1000u
#define PAYLOAD_BYTES 56u

struct echo {
    struct icmp_echo_hdr icmp;
    uint8_t payload[PAYLOAD_BYTES];
};
_Static_assert(sizeof(struct echo) == 64, "no padding");

static struct raw_pcb *pcb;
static struct net_ping state;
static unsigned wanted;
static uint16_t id;
static uint64_t sent_at_ns;
static bool waiting; /* for the answer to state.sequence */
static uint64_t answer_rtt_ns;
static net_ping_fn report;
static void *report_ctx;

static void tick(void *arg);
static void answered(void *arg);

void net_ping_stop(void) {
    if (pcb == NULL)
        return;
    sys_untimeout(tick, NULL);
    sys_untimeout(answered, NULL);
    raw_remove(pcb);
    pcb = NULL;
}

static void tell(bool came, uint64_t rtt_ns) {
    state.answered = came;
    state.rtt_ns = rtt_ns;
    state.last = state.sequence == wanted;
    struct net_ping copy = state;
    net_ping_fn fn = report;
    void *ctx = report_ctx;
    if (copy.last)
        net_ping_stop(); /* first, so that fn may start the next series */
    fn(ctx, &copy);
}

static void send_one(void) {
    struct pbuf *p = pbuf_alloc(PBUF_IP, sizeof(struct echo), PBUF_RAM);
    state.sequence++;
    state.sent++;
    waiting = true;
    sent_at_ns = time_now_ns();
    if (p == NULL)
        return; /* counts as lost */
    struct echo *echo = p->payload;
    memset(echo, 0, sizeof *echo);
    ICMPH_TYPE_SET(&echo->icmp, ICMP_ECHO);
    echo->icmp.id = lwip_htons(id);
    echo->icmp.seqno = lwip_htons((uint16_t)state.sequence);
    for (unsigned i = 0; i < PAYLOAD_BYTES; i++)
        echo->payload[i] = (uint8_t)i;
    echo->icmp.chksum = inet_chksum(echo, sizeof *echo);
    ip_addr_t to = IPADDR4_INIT(lwip_htonl(state.ipv4));
    raw_sendto(pcb, p, &to);
    pbuf_free(p);
}

static void answered(void *arg) {
    (void)arg;
    state.received++;
    tell(true, answer_rtt_ns);
}

static void tick(void *arg) {
    (void)arg;
    if (waiting) {
        waiting = false;
        tell(false, 0);
        if (pcb == NULL)
            return;
    }
    sys_timeout(INTERVAL_MS, tick, NULL);
    send_one();
}

/* Returns 1 when the packet was eaten; answers to other programs' requests go on to lwIP, which drops them.
 */
static u8_t received(void *arg, struct raw_pcb *raw, struct pbuf *p, const ip_addr_t *from) {
    (void)arg;
    (void)raw;
    struct icmp_echo_hdr icmp;
    uint16_t header = (uint16_t)IPH_HL_BYTES((const struct ip_hdr *)p->payload);
    if (pbuf_copy_partial(p, &icmp, sizeof icmp, header) != sizeof icmp || ICMPH_TYPE(&icmp) != ICMP_ER ||
        icmp.id != lwip_htons(id) || icmp.seqno != lwip_htons((uint16_t)state.sequence) || !waiting ||
        !IP_IS_V4(from) || ip4_addr_get_u32(ip_2_ip4(from)) != lwip_htonl(state.ipv4))
        return 0;
    answer_rtt_ns = time_now_ns() - sent_at_ns;
    waiting = false;
    pbuf_free(p);
    sys_timeout(0, answered, NULL); /* outside: lwIP still holds the raw_pcb, which the report may remove */
    return 1;
}

result_t net_ping(uint32_t ipv4, unsigned count, net_ping_fn fn, void *ctx, struct reason *why) {
    if (pcb != NULL)
        return reason_set(why, ERR_BUSY, "another ping is running");
    if (!net_is_ready())
        return reason_set(why, ERR_LINK, "this machine has no network address yet");
    pcb = raw_new(IP_PROTO_ICMP);
    if (pcb == NULL)
        return reason_set(why, ERR_NOMEM, "no memory for a ping");
    raw_recv(pcb, received, NULL);
    raw_bind(pcb, IP_ADDR_ANY);
    state = (struct net_ping){.ipv4 = ipv4};
    wanted = MAX(count, 1u);
    id = (uint16_t)net_random32();
    report = fn;
    report_ctx = ctx;
    waiting = false;
    tick(NULL);
    return OK;
}
