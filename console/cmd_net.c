/* SPDX-License-Identifier: MIT */
/* cmd_net.c - `net` and `net ping`. */
#include "console/commands.h"
#include "console/units.h"
#include "kernel/config_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PING_DEFAULT 4u
#define PING_MAX 1000u
#define MAC_TEXT_LEN 18

static void format_mac(char text[MAC_TEXT_LEN], const uint8_t mac[6]) {
    snprintf(text, MAC_TEXT_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

static void show_json(struct shell *sh, const struct console_net *n) {
    char mac[MAC_TEXT_LEN], address[UNITS_LEN], netmask[UNITS_LEN], gateway[UNITS_LEN];
    struct json j;
    format_mac(mac, n->mac);
    json_begin(&j, &sh->out, "net");
    json_str(&j, "interface", n->name);
    json_str(&j, "mac", mac);
    json_str(&j, "mode", n->dhcp ? "dhcp" : "static");
    json_bool(&j, "link", n->link_up);
    json_u64(&j, "mbit_s", n->mbit_s);
    json_str(&j, "address", n->ipv4 != 0 ? units_format_ipv4(address, n->ipv4) : NULL);
    json_str(&j, "netmask", n->ipv4 != 0 ? units_format_ipv4(netmask, n->netmask) : NULL);
    json_str(&j, "gateway", n->gateway != 0 ? units_format_ipv4(gateway, n->gateway) : NULL);
    json_u64(&j, "rx_frames", n->rx_frames);
    json_u64(&j, "rx_bytes", n->rx_bytes);
    json_u64(&j, "rx_dropped", n->rx_dropped);
    json_u64(&j, "tx_frames", n->tx_frames);
    json_u64(&j, "tx_bytes", n->tx_bytes);
    json_u64(&j, "tx_dropped", n->tx_dropped);
    json_end(&j);
}

static void show_text(struct shell *sh, const struct console_net *n) {
    char mac[MAC_TEXT_LEN], address[UNITS_LEN], netmask[UNITS_LEN], gateway[UNITS_LEN];
    const struct out *o = &sh->out;
    format_mac(mac, n->mac);
    out_printf(o, "interface  %s\nmac        %s\n", n->name, mac);
    if (!n->link_up)
        out_puts(o, "link       down\n");
    else if (n->mbit_s == 0)
        out_puts(o, "link       up\n");
    else
        out_printf(o, "link       up, %" PRIu32 " Mbit/s\n", n->mbit_s);
    if (n->ipv4 == 0)
        out_printf(o, "address    none%s\n", n->dhcp ? " yet (waiting for DHCP)" : "");
    else
        out_printf(o, "address    %s netmask %s gateway %s (%s)\n", units_format_ipv4(address, n->ipv4),
                   units_format_ipv4(netmask, n->netmask),
                   n->gateway != 0 ? units_format_ipv4(gateway, n->gateway) : "none",
                   n->dhcp ? "DHCP" : "static");
    out_printf(o, "received   %" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " dropped\n", n->rx_frames,
               n->rx_bytes, n->rx_dropped);
    out_printf(o, "sent       %" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " dropped\n", n->tx_frames,
               n->tx_bytes, n->tx_dropped);
}

static void show(struct shell *sh, struct args *a) {
    struct console_net n;
    struct reason why = { "" };
    if (!shell_check(sh, a, 1, 1) || !shell_available(sh, sh->ops->net_info != NULL))
        return;
    result_t r = sh->ops->net_info(&n, &why);
    if (r != OK)
        shell_error_result(sh, "net", r, &why);
    else if (sh->json)
        show_json(sh, &n);
    else
        show_text(sh, &n);
}

static void ping(struct shell *sh, struct args *a) {
    uint8_t ip[4];
    struct reason why = { "" };
    uint64_t count = PING_DEFAULT;
    if (!shell_check(sh, a, 3, 4) || !shell_available(sh, sh->ops->net_ping != NULL))
        return;
    if (!config_value_ipv4(a->word[2], ip)) {
        shell_error(sh, "'%s' is no IPv4 address such as 10.0.0.2", a->word[2]);
        return;
    }
    if (a->count == 4 && (units_parse_u64(a->word[3], &count) != OK || count < 1 || count > PING_MAX)) {
        shell_error(sh, "net ping: '%s' is no number from 1 to %u", a->word[3], PING_MAX);
        return;
    }
    uint32_t ipv4 = (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 | (uint32_t)ip[2] << 8 | ip[3];
    result_t r = sh->ops->net_ping(ipv4, (uint32_t)count, &why);
    if (r != OK)
        shell_error_result(sh, "net ping", r, &why);
    else
        sh->ping_json = sh->json;
}

void cmd_net_run(struct shell *sh, struct args *a) {
    if (a->count >= 2 && strcmp(a->word[1], "ping") == 0)
        ping(sh, a);
    else
        show(sh, a);
}

void cmd_net_complete(struct shell *sh, const struct args *words, struct completions *c) {
    (void)sh;
    if (words->count == 1)
        completions_add(c, "ping");
}

void cmd_ping_result(const struct console_ping *p, bool as_json, const struct out *o) {
    char ip[UNITS_LEN], rtt[UNITS_LEN];
    units_format_ipv4(ip, p->ipv4);
    if (as_json) {
        struct json j;
        json_begin(&j, o, "ping");
        json_str(&j, "address", ip);
        json_u64(&j, "seq", p->seq);
        json_bool(&j, "answered", p->answered);
        if (p->answered)
            json_u64(&j, "rtt_ns", p->rtt_ns);
        json_bool(&j, "last", p->last);
        json_end(&j);
    } else if (p->answered) {
        out_printf(o, "%s: answer %" PRIu32 " after %s\n", ip, p->seq, units_format_duration(rtt, p->rtt_ns));
    } else {
        out_printf(o, "%s: no answer to %" PRIu32 "\n", ip, p->seq);
    }
}
