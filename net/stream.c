/* SPDX-License-Identifier: MIT */
#include "net/stream.h"

#include "kernel/time.h"
#include "net/lwip_err.h"

#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "net/addr.h"
#include "net/stream_poll.h"
#include "net/stream_state.h"
#include "net/wire.h"

#define LISTEN_MAX 8u

struct listener {
    struct tcp_pcb *pcb; /* NULL: free */
    uint16_t port;
    stream_accept_fn accept;
    void *ctx;
};

static struct stream streams[STREAM_MAX];
static struct listener listeners[LISTEN_MAX];
static uint32_t last_serial;

struct stream *stream_slot(unsigned index) {
    return &streams[index];
}

unsigned stream_count(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < STREAM_MAX; i++)
        n += streams[i].phase != STREAM_FREE;
    return n;
}

struct stream *stream_slot_take(void) {
    for (unsigned i = 0; i < STREAM_MAX; i++) {
        struct stream *s = &streams[i];
        if (s->phase != STREAM_FREE)
            continue;
        stream_tx_reap(s);
        if (s->ring != NULL)
            continue;
        *s = (struct stream){.serial = ++last_serial};
        return s;
    }
    return NULL;
}

void stream_slot_give(struct stream *s) {
    stream_rx_free(s);
    s->ring_mark = wire_mark();
    s->pending = 0;
    s->accept = NULL;
    s->pcb = NULL;
    s->phase = STREAM_FREE;
    stream_tx_reap(s);
}

void stream_adopt(struct stream *s, struct tcp_pcb *pcb) {
    s->pcb = pcb;
    tcp_arg(pcb, s);
    tcp_recv(pcb, stream_on_received);
    tcp_sent(pcb, stream_on_sent);
    tcp_err(pcb, stream_on_error);
    tcp_nagle_disable(pcb);
    ip_set_option(pcb, SOF_KEEPALIVE);
    pcb->keep_idle = STREAM_KEEP_IDLE_MS;
    pcb->keep_intvl = STREAM_KEEP_STEP_MS;
    pcb->keep_cnt = STREAM_KEEP_COUNT;
}

void stream_detach(struct stream *s) {
    tcp_arg(s->pcb, NULL);
    tcp_recv(s->pcb, NULL);
    tcp_sent(s->pcb, NULL);
    tcp_err(s->pcb, NULL);
    s->pcb = NULL;
}

void stream_reset(struct stream *s) {
    struct tcp_pcb *pcb = s->pcb;
    if (s->phase == STREAM_CONNECTING)
        sys_untimeout(stream_on_timeout, s);
    if (pcb == NULL)
        return;
    stream_detach(s);
    tcp_abort(pcb);
}

void stream_break(struct stream *s) {
    stream_reset(s);
    s->phase = STREAM_BROKEN;
    s->pending |= BIT(STREAM_FAILED);
}

/* Is this machine on the network, and is the peer another one? */
static result_t check_route(struct net_addr peer, struct reason *why) {
    char text[NET_ADDR_TEXT_LEN];
    const struct netif *netif = netif_default;
    if (netif == NULL || !netif_is_up(netif) || ip4_addr_isany_val(*netif_ip4_addr(netif)))
        return reason_set(why, ERR_LINK, "cannot connect to %s: this machine has no network address",
                          net_addr_format(peer, text));
    if (!netif_is_link_up(netif))
        return reason_set(why, ERR_LINK, "cannot connect to %s: the network cable is unplugged",
                          net_addr_format(peer, text));
    if (ip4_addr_get_u32(netif_ip4_addr(netif)) == lwip_htonl(peer.ipv4))
        return reason_set(why, ERR_INVAL, "cannot connect to %s: that is this machine's own address",
                          net_addr_format(peer, text));
    return OK;
}

result_t stream_connect(struct net_addr peer, stream_fn fn, void *ctx, struct stream **out,
                        struct reason *why) {
    char text[NET_ADDR_TEXT_LEN];
    result_t r = check_route(peer, why);
    if (r != OK)
        return r;
    struct stream *s = stream_slot_take();
    if (s == NULL)
        return reason_set(why, ERR_FULL, "cannot connect to %s: all %u connections are in use",
                          net_addr_format(peer, text), STREAM_MAX);
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
    if (pcb == NULL) {
        stream_slot_give(s);
        return reason_set(why, ERR_NOMEM, "cannot connect to %s: no memory", net_addr_format(peer, text));
    }
    s->phase = STREAM_CONNECTING;
    s->peer = peer;
    s->fn = fn;
    s->ctx = ctx;
    stream_adopt(s, pcb);
    ip_addr_t addr = IPADDR4_INIT(lwip_htonl(peer.ipv4));
    err_t err = tcp_connect(pcb, &addr, peer.port, stream_on_connected);
    if (err != ERR_OK) {
        stream_reset(s);
        stream_slot_give(s);
        return reason_set(why, ERR_LINK, "cannot connect to %s (network error %d)",
                          net_addr_format(peer, text), err);
    }
    sys_timeout(STREAM_CONNECT_MS, stream_on_timeout, s);
    wire_flush();
    *out = s;
    return OK;
}

void stream_set_handler(struct stream *s, stream_fn fn, void *ctx) {
    s->fn = fn;
    s->ctx = ctx;
}

void stream_close(struct stream *s) {
    if (s->phase == STREAM_CONNECTING)
        stream_reset(s);
    if (s->pcb == NULL) {
        stream_slot_give(s);
        return;
    }
    s->fn = NULL;
    s->closed_ns = time_now_ns();
    s->phase = STREAM_CLOSING; /* stream_poll does the rest */
    stream_tx_push(s);
}

void stream_abort(struct stream *s) {
    stream_reset(s);
    stream_slot_give(s);
    wire_flush();
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err) {
    struct listener *l = arg;
    if (err != ERR_OK || pcb == NULL)
        return ERR_VAL;
    struct stream *s = stream_slot_take();
    if (s == NULL)
        return ERR_MEM; /* lwIP resets the connection */
    s->phase = STREAM_OPEN;
    s->peer = (struct net_addr){lwip_ntohl(ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip))), pcb->remote_port};
    s->accept = l->accept;
    s->accept_ctx = l->ctx;
    stream_adopt(s, pcb);
    stream_tx_open(s);
    return ERR_OK;
}

static struct listener *listener_on(uint16_t port) {
    for (unsigned i = 0; i < LISTEN_MAX; i++) {
        if (listeners[i].pcb != NULL && listeners[i].port == port)
            return &listeners[i];
    }
    return NULL;
}

static struct listener *listener_free(void) {
    for (unsigned i = 0; i < LISTEN_MAX; i++) {
        if (listeners[i].pcb == NULL)
            return &listeners[i];
    }
    return NULL;
}

result_t stream_listen(uint16_t port, stream_accept_fn accept, void *ctx) {
    if (listener_on(port) != NULL)
        return fail(ERR_EXIST);
    struct listener *l = listener_free();
    if (l == NULL)
        return fail(ERR_FULL);
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_V4), *listening = NULL;
    if (pcb == NULL)
        return fail(ERR_NOMEM);
    ip_set_option(pcb, SOF_REUSEADDR); /* connections of the time before may linger */
    if (tcp_bind(pcb, IP4_ADDR_ANY, port) == ERR_OK)
        listening = tcp_listen(pcb);
    if (listening == NULL) {
        tcp_abort(pcb);
        return fail(ERR_NOMEM);
    }
    *l = (struct listener){.pcb = listening, .port = port, .accept = accept, .ctx = ctx};
    tcp_arg(listening, l);
    tcp_accept(listening, accepted);
    return OK;
}

void stream_unlisten(uint16_t port) {
    struct listener *l = listener_on(port);
    if (l == NULL)
        return;
    tcp_close(l->pcb);
    l->pcb = NULL;
}
