/* SPDX-License-Identifier: MIT */
/* ops_real.c - see ops_real.h: the host, its network and its VMs. Migration is in ops_real_migrate.c. */
#include "console/ops_real.h"

#include <stdio.h>
#include <string.h>

#include "guest/vm.h"
#include "kernel/acpi.h"
#include "kernel/cpu.h"
#include "kernel/frames.h"
#include "kernel/log_ring.h"
#include "kernel/memory.h"
#include "kernel/serial.h"
#include "kernel/time.h"
#include "net/net.h"

#define PINGS 4u /* one comes per second */

static const struct config *config;
static struct {
    struct console_ping result[PINGS];
    unsigned head, tail;
} pings;

static uint32_t ipv4_of(const uint8_t octet[4]) {
    return (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 | (uint32_t)octet[2] << 8 | octet[3];
}

static bool peer_iterate(unsigned index, struct console_peer *out) {
    if (index >= config->nr_peers)
        return false;
    const struct config_peer *p = &config->peer[index];
    snprintf(out->name, sizeof(out->name), "%s", p->name);
    out->addr = (struct net_addr){ ipv4_of(p->address), p->port };
    return true;
}

static result_t net_info_get(struct console_net *out, struct reason *why) {
    struct net_info n;
    net_info(&n);
    if (n.card[0] == '\0')
        return reason_set(why, fail(ERR_NODEV),
                          "there is no network card that Godwit drives; `log` says what was found");
    *out = (struct console_net){
        .dhcp = n.dhcp != NET_DHCP_OFF,
        .link_up = n.link.up,
        .mbit_s = n.link.mbits,
        .ipv4 = n.ipv4,
        .netmask = n.mask,
        .gateway = n.gateway,
        .rx_frames = n.card_stats.rx_frames,
        .rx_bytes = n.card_stats.rx_bytes,
        .rx_dropped = n.card_stats.rx_errors + n.card_stats.rx_overruns + n.rx_dropped,
        .tx_frames = n.card_stats.tx_frames,
        .tx_bytes = n.card_stats.tx_bytes,
        .tx_dropped = n.tx_dropped,
    };
    snprintf(out->name, sizeof(out->name), "%.*s", (int)sizeof(out->name) - 1, n.card);
    memcpy(out->mac, n.mac, sizeof(out->mac));
    return OK;
}

static void ping_answered(void *ctx, const struct net_ping *p) {
    (void)ctx;
    if (pings.head - pings.tail == PINGS)
        pings.tail++;
    pings.result[pings.head++ % PINGS] = (struct console_ping){
        .ipv4 = p->ipv4, .seq = p->sequence, .answered = p->answered, .rtt_ns = p->rtt_ns, .last = p->last
    };
}

static result_t ping_start(uint32_t ipv4, uint32_t count, struct reason *why) {
    return net_ping(ipv4, count, ping_answered, NULL, why);
}

static bool ping_next(struct console_ping *out) {
    if (pings.head == pings.tail)
        return false;
    *out = pings.result[pings.tail++ % PINGS];
    return true;
}

/* What Godwit itself holds is part of the machine's memory, though never of the frame allocator's. */
static void mem_info(uint64_t *total_bytes, uint64_t *free_bytes) {
    struct frames_stats s = frames_stats();
    *total_bytes = s.total_bytes + memory_own_bytes();
    *free_bytes = s.free_bytes;
}

static bool log_line_get(unsigned ago, char line[CONSOLE_LINE_LEN]) {
    const char *text = log_history(ago);
    if (text != NULL)
        snprintf(line, CONSOLE_LINE_LEN, "%s", text);
    return text != NULL;
}

static void reboot(void) {
    net_stop();
    serial_flush_sync();
    cpu_reset();
}

static void power_off(void) {
    net_stop();
    serial_flush_sync();
    acpi_power_off();
    log_error("the firmware's tables do not say how to switch this machine off; use its button");
}

void ops_real_fill(struct console_ops *ops, const struct config *cfg) {
    config = cfg;
    ops->now_ns = time_now_ns;
    ops->vm_iterate = vm_iterate;
    ops->vm_find = vm_find;
    ops->vm_get_state = vm_get_state;
    ops->vm_state_str = vm_state_str;
    ops->vm_boot = vm_boot;
    ops->vm_stop = vm_stop;
    ops->vm_pause = vm_pause;
    ops->vm_resume = vm_resume;
    ops->vm_console_read = vm_console_read;
    ops->vm_console_write = vm_console_write;
    ops->audit_start = audit_start;
    ops->audit_stop = audit_stop;
    ops->audit_get = audit_get;
    ops->vm_exit_stats = vm_exit_stats;
    ops_real_fill_migrate(ops);
    ops->peer_iterate = peer_iterate;
    ops->migration_port = cfg->host.migration_port;
    ops->net_info = net_info_get;
    ops->net_ping = ping_start;
    ops->net_ping_next = ping_next;
    ops->mem_info = mem_info;
    ops->log_line = log_line_get;
    ops->reboot = reboot;
    ops->poweroff = power_off;
}
